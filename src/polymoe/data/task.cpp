#include "polymoe/data/task.h"

#include <algorithm>

#include "polymoe/base/error.h"
#include "polymoe/text/known_names.h"
#include "polymoe/text/language_names.h"

namespace polymoe {

std::vector<std::string> task_names(const Vocabulary& vocabulary) {
  std::vector<std::string> names = {"translation", "denoising"};
  for (const std::string& task : vocabulary.tasks()) {
    if (task != kDenoisingTag) names.push_back(task);
  }
  return names;
}

Task parse_task(std::string_view name, const Vocabulary& vocabulary) {
  const std::vector<std::string> names = task_names(vocabulary);
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw Error(fmt::format("the vocabulary has no task '{}'", name), {}, known_names(name, names));
  }
  return static_cast<Task>(found - names.begin());
}

std::string corpora_of(Task task, const Vocabulary& vocabulary) {
  const bool is_text = task == Task::kTranslation || task == Task::kDenoising;
  return is_text ? "" : task_names(vocabulary).at(static_cast<std::size_t>(task));
}

std::int32_t task_tag(Task task, const Vocabulary& vocabulary) {
  if (task == Task::kTranslation) return -1;
  return vocabulary.task_tag(task == Task::kDenoising ? kDenoisingTag : corpora_of(task, vocabulary));
}

Direction parse_direction(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos || dash == 0 || dash + 1 == text.size() ||
      text.find('-', dash + 1) != std::string_view::npos) {
    throw Error(fmt::format("'{}' is no direction", text), {}, "write it like en-de; a code like pt-BR is pt_BR");
  }
  return {std::string(text.substr(0, dash)), std::string(text.substr(dash + 1))};
}

Direction find_direction(std::string_view pattern, const std::vector<std::string>& languages) {
  const Direction wanted = parse_direction(pattern);
  const auto side = [&](const std::string& name) { return name == "*" ? name : find_language(name, languages); };
  return {side(wanted.source), side(wanted.target)};
}

bool matches(const Direction& direction, const Direction& pattern) {
  return (pattern.source == "*" || pattern.source == direction.source) &&
         (pattern.target == "*" || pattern.target == direction.target);
}

std::vector<Direction> match_directions(const std::vector<std::string>& patterns,
                                        const std::vector<Direction>& available,
                                        const std::vector<std::string>& languages) {
  if (patterns.empty()) return available;
  std::vector<Direction> wanted;
  for (const std::string& pattern : patterns) {
    wanted.push_back(parse_direction(pattern));
    for (std::string* const language : {&wanted.back().source, &wanted.back().target}) {
      if (*language == "*") continue;
      const std::string known = known_language(*language, languages);
      if (known.empty()) {
        throw Error(fmt::format("direction {}: the data has no language '{}'", pattern, *language), {},
                    known_names(*language, languages));
      }
      *language = known;
    }
    const auto is_match = [&](const Direction& direction) { return matches(direction, wanted.back()); };
    if (std::none_of(available.begin(), available.end(), is_match)) {
      throw Error(fmt::format("direction {}: no corpus pairs these languages", pattern), {},
                  "prepare one that does, or leave the direction out");
    }
  }
  std::vector<Direction> chosen;
  for (const Direction& direction : available) {
    const auto names_it = [&](const Direction& pattern) { return matches(direction, pattern); };
    if (std::any_of(wanted.begin(), wanted.end(), names_it)) chosen.push_back(direction);
  }
  return chosen;
}

}  // namespace polymoe
