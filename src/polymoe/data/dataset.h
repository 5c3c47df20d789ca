#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/data/id_file.h"
#include "polymoe/data/task.h"
#include "polymoe/text/vocabulary.h"

namespace polymoe {

/// A folder made by prepare(): the vocabulary, and for each corpus, split and language the ids of every line, mapped
/// into memory. Lines are aligned over the languages of a corpus, so any two languages pair up; a line that a language
/// lacks has length 0. Reading is thread-safe.
class Dataset {
 public:
  struct Split {
    std::uint64_t lines = 0;
    std::map<std::string, IdFile, std::less<>> languages;  ///< by column, see data/layout.h
  };
  struct Corpus {
    std::string name;
    std::string task;     ///< of the user's naming; "": text, whose languages all pair up
    Direction direction;  ///< of a task's pairs
    std::map<std::string, Split, std::less<>> splits;
  };

  /// Throws Error when a file is missing, damaged, or does not fit the others.
  explicit Dataset(const std::filesystem::path& folder);

  const Vocabulary& vocabulary() const { return vocabulary_; }
  const std::vector<Corpus>& corpora() const { return corpora_; }
  /// Languages that have a file in some corpus, in the vocabulary's order.
  const std::vector<std::string>& languages() const { return languages_; }
  /// Names of all splits, sorted.
  std::vector<std::string> splits() const;
  /// Every direction for which some corpus of text has both languages in `split`, in the order of languages().
  std::vector<Direction> directions(std::string_view split) const;
  /// The directions in which `split` has pairs of a task of the user's naming, in the same order.
  std::vector<Direction> task_directions(std::string_view task, std::string_view split) const;

  /// The original text of every line of a split, for splits other than "train". Throws Error where none is kept.
  std::vector<std::string> texts(const std::string& corpus, const std::string& split, const std::string& column) const;

  /// Reads all ids and compares their checksums. Throws Error that names the damaged file.
  void verify() const;

  /// A number that changes when vocabulary, corpora or ids change.
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  Dataset(const std::filesystem::path& folder, const nlohmann::json& description);

  std::filesystem::path folder_;
  Vocabulary vocabulary_;
  std::vector<Corpus> corpora_;
  std::vector<std::string> languages_;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace polymoe
