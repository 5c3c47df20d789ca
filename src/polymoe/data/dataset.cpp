#include "polymoe/data/dataset.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/random.h"
#include "polymoe/data/layout.h"

namespace polymoe {
namespace {

const char* const kRemedy = "make the dataset anew with `polymoe prepare`";

nlohmann::json read_description(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kDescriptionName;
  if (!path_exists(path)) {
    throw Error("not a dataset: it has no dataset.json", {folder, 0}, "give a folder made by `polymoe prepare`");
  }
  try {
    nlohmann::json description = parse_json(read_file(path));
    if (description.at("format") != kFormat) throw Error("a dataset of another version", {path, 0}, kRemedy);
    return description;
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("damaged: {}", error.what()), {path, 0}, kRemedy);
  }
}

/// The language of a column; "" for one that the corpus cannot have.
std::string language_of(const Dataset::Corpus& corpus, const std::string& column) {
  if (corpus.task.empty()) return column;
  if (column == task_source_column(corpus.direction.source)) return corpus.direction.source;
  return column == task_target_column(corpus.direction.target) ? corpus.direction.target : "";
}

Dataset::Split read_split(const std::filesystem::path& folder, const std::string& name, const nlohmann::json& entry,
                          const Dataset::Corpus& corpus, const Vocabulary& vocabulary) {
  Dataset::Split split;
  split.lines = entry.at("lines").get<std::uint64_t>();
  for (const auto& [column, counts] : entry.at("languages").items()) {
    // Throws for one that it does not know.
    vocabulary.language_index(language_of(corpus, column));
    const std::filesystem::path path = folder / ids_name(name, column);
    const auto added = split.languages.emplace(column, IdFile(path, vocabulary.size())).first;
    if (added->second.lines() != split.lines || added->second.tokens() != counts.at("tokens").get<std::uint64_t>()) {
      throw Error(fmt::format("{} lines with {} ids are not what dataset.json says", added->second.lines(),
                              added->second.tokens()),
                  {path, 0}, kRemedy);
    }
  }
  return split;
}

}  // namespace

Dataset::Dataset(const std::filesystem::path& folder) : Dataset(folder, read_description(folder)) {}

Dataset::Dataset(const std::filesystem::path& folder, const nlohmann::json& description)
    : folder_(folder), vocabulary_(Vocabulary::load(folder / kVocabularyName)) {
  const std::filesystem::path path = folder / kDescriptionName;
  try {
    const std::string model = read_file(folder / kVocabularyName);
    const std::uint32_t checksum = crc32_of(std::as_bytes(std::span(model)));
    if (description.at("vocabulary").at("checksum").get<std::uint32_t>() != checksum) {
      throw Error("not the vocabulary that the dataset was made with", {folder / kVocabularyName, 0}, kRemedy);
    }
    fingerprint_ = mix_bits(checksum);
    for (const nlohmann::json& entry : description.at("corpora")) {
      Corpus& corpus = corpora_.emplace_back();
      corpus.name = entry.at("name").get<std::string>();
      check_path_part(corpus.name, path);
      if (entry.contains("task")) {
        corpus.task = entry.at("task").get<std::string>();
        corpus.direction = {entry.at("source").get<std::string>(), entry.at("target").get<std::string>()};
        vocabulary_.task_tag(corpus.task);  // throws for one that it does not know
      }
      for (const auto& [name, split] : entry.at("splits").items()) {
        check_path_part(name, path);
        corpus.splits.emplace(name, read_split(folder / corpus.name, name, split, corpus, vocabulary_));
      }
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("damaged: {}", error.what()), {path, 0}, kRemedy);
  }

  std::set<std::string> present;
  for (const Corpus& corpus : corpora_) {
    fingerprint_ = mix_bits(fingerprint_ ^ fnv1a(corpus.name));
    for (const auto& [name, split] : corpus.splits) {
      fingerprint_ = mix_bits(fingerprint_ ^ fnv1a(name));
      for (const auto& [column, file] : split.languages) {
        fingerprint_ = mix_bits(fingerprint_ ^ fnv1a(column) ^ file.checksum());
        present.insert(language_of(corpus, column));
      }
    }
  }
  for (const std::string& language : vocabulary_.languages()) {
    if (present.contains(language)) languages_.push_back(language);
  }
}

std::vector<std::string> Dataset::splits() const {
  std::set<std::string> names;
  for (const Corpus& corpus : corpora_) {
    for (const auto& [name, split] : corpus.splits) names.insert(name);
  }
  return {names.begin(), names.end()};
}

std::vector<Direction> Dataset::directions(std::string_view split) const {
  std::set<std::pair<std::string, std::string>> pairs;
  for (const Corpus& corpus : corpora_) {
    const auto found = corpus.splits.find(split);
    if (found == corpus.splits.end() || !corpus.task.empty()) continue;
    for (const auto& [source, source_file] : found->second.languages) {
      for (const auto& [target, target_file] : found->second.languages) pairs.emplace(source, target);
    }
  }
  std::vector<Direction> directions;
  for (const std::string& source : languages_) {
    for (const std::string& target : languages_) {
      if (source != target && pairs.contains({source, target})) directions.push_back({source, target});
    }
  }
  return directions;
}

std::vector<Direction> Dataset::task_directions(std::string_view task, std::string_view split) const {
  std::vector<Direction> directions;
  for (const std::string& source : languages_) {
    for (const std::string& target : languages_) {
      const auto has_it = [&](const Corpus& corpus) {
        return corpus.task == task && corpus.direction == Direction{source, target} && corpus.splits.contains(split);
      };
      if (std::any_of(corpora_.begin(), corpora_.end(), has_it)) directions.push_back({source, target});
    }
  }
  return directions;
}

std::vector<std::string> Dataset::texts(const std::string& corpus, const std::string& split,
                                        const std::string& column) const {
  const auto found = std::find_if(corpora_.begin(), corpora_.end(), [&](const Corpus& c) { return c.name == corpus; });
  const auto missing = [&] {
    throw Error(fmt::format("no text of {} is kept for split '{}' of corpus '{}'", column, split, corpus), {folder_, 0},
                "texts are kept for every split but train");
  };
  if (found == corpora_.end() || !found->splits.contains(split)) missing();
  const std::filesystem::path path = folder_ / corpus / text_name(split, column);
  if (!path_exists(path)) missing();

  std::vector<std::string> lines;
  LineReader reader(path);
  for (std::string line; reader.next(line);) lines.push_back(line);
  if (const std::uint64_t expected = found->splits.at(split).lines; lines.size() != expected) {
    throw Error(fmt::format("{} lines, not {}", lines.size(), expected), {path, 0}, kRemedy);
  }
  return lines;
}

void Dataset::verify() const {
  for (const Corpus& corpus : corpora_) {
    for (const auto& [name, split] : corpus.splits) {
      for (const auto& [language, file] : split.languages) file.verify();
    }
  }
}

}  // namespace polymoe
