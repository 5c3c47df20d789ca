#include "polymoe/data/trained.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/config/data_options.h"
#include "polymoe/data/layout.h"
#include "polymoe/data/mixture.h"

namespace polymoe {
namespace {

/// Null where it is not there or cannot be read: it may have been moved since.
nlohmann::json description_of(const std::filesystem::path& folder) {
  try {
    return parse_json(read_file(folder / kDescriptionName));
  } catch (const std::exception&) {
    return {};
  }
}

/// Whether a corpus of the description has text for it.
bool has_text(const nlohmann::json& corpus, const std::string& task, const Direction& direction) {
  if (!corpus.at("splits").contains("train")) return false;
  if (corpus.value("task", "") != task) return false;
  if (!task.empty()) return corpus.at("source") == direction.source && corpus.at("target") == direction.target;
  const nlohmann::json& languages = corpus.at("splits").at("train").at("languages");
  return languages.contains(direction.source) && languages.contains(direction.target);
}

bool is_trained(const DataOptions& options, const std::vector<Direction>& wanted, const nlohmann::json& description,
                const std::string& task, const Direction& direction) {
  try {
    if (largest_weight(options, task) == 0) return false;
    const bool is_translation = task == "translation", is_denoising = task == "denoising";
    const auto names_it = [&](const Direction& one) { return matches(direction, one); };
    if (is_translation && !wanted.empty() && std::none_of(wanted.begin(), wanted.end(), names_it)) {
      return false;
    }
    if ((is_translation && direction.source == direction.target) ||
        (is_denoising && direction.source != direction.target)) {
      return false;
    }
    if (description.is_null()) return true;
    const std::string named = is_translation || is_denoising ? "" : task;
    const nlohmann::json& corpora = description.at("corpora");
    return std::any_of(corpora.begin(), corpora.end(),
                       [&](const nlohmann::json& corpus) { return has_text(corpus, named, direction); });
  } catch (const nlohmann::json::exception&) {
    return true;
  } catch (const Error&) {  // options of another version
    return true;
  }
}

}  // namespace

std::vector<Direction> trained_directions(const DataOptions& options, const std::string& task,
                                          const std::vector<Direction>& directions) {
  const nlohmann::json description = description_of(options.path);
  std::set<std::string> languages;
  for (const Direction& direction : directions) languages.insert({direction.source, direction.target});
  std::vector<Direction> wanted, trained;
  try {
    for (const std::string& pattern : options.directions)
      wanted.push_back(find_direction(pattern, {languages.begin(), languages.end()}));
  } catch (const Error&) {  // options of another version
    wanted.clear();
  }
  for (const Direction& direction : directions) {
    if (is_trained(options, wanted, description, task, direction)) trained.push_back(direction);
  }
  return trained;
}

}  // namespace polymoe
