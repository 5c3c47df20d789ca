#include "data/task.h"

#include <algorithm>

#include "base/error.h"
#include "text/known_names.h"

namespace polymoe {
namespace {

bool matches(const Direction& direction, const Direction& pattern) {
  return (pattern.source == "*" || pattern.source == direction.source) &&
         (pattern.target == "*" || pattern.target == direction.target);
}

}  // namespace

const std::vector<std::string>& task_names() {
  static const std::vector<std::string> names = {"translation", "denoising"};
  return names;
}

Direction parse_direction(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos || dash == 0 || dash + 1 == text.size() ||
      text.find('-', dash + 1) != std::string_view::npos) {
    throw Error(fmt::format("'{}' is no direction", text), {}, "write it like en-de; a code like pt-BR is pt_BR");
  }
  return {std::string(text.substr(0, dash)), std::string(text.substr(dash + 1))};
}

std::vector<Direction> match_directions(const std::vector<std::string>& patterns,
                                        const std::vector<Direction>& available,
                                        const std::vector<std::string>& languages) {
  if (patterns.empty()) return available;
  std::vector<Direction> wanted;
  for (const std::string& pattern : patterns) {
    wanted.push_back(parse_direction(pattern));
    for (const std::string& language : {wanted.back().source, wanted.back().target}) {
      if (language == "*" || std::find(languages.begin(), languages.end(), language) != languages.end()) continue;
      throw Error(fmt::format("direction {}: the data has no language '{}'", pattern, language), {},
                  known_names(language, languages));
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
