#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "polymoe/base/progress.h"
#include "polymoe/data/task.h"
#include "polymoe/text/character_counts.h"
#include "polymoe/text/corpus.h"

namespace polymoe {

/// What a dataset is made from.
struct PrepareOptions {
  std::filesystem::path vocabulary;  ///< made by `polymoe vocab`
  std::vector<CorpusSpec> corpora;
  std::filesystem::path out;    ///< the dataset folder; an older dataset of that name is replaced
  CorpusChecks checks;          ///< what happens to bad lines
  std::int64_t max_length = 0;  ///< longer segments are left out, in ids; 0: none
  std::int64_t threads = 0;     ///< that encode; 0: one for each core
};

/// What came of one split of one corpus.
struct PreparedSplit {
  struct Language {
    std::string name;  ///< of the column, see data/layout.h
    std::uint64_t segments = 0;
    std::uint64_t tokens = 0;
    std::uint64_t too_long = 0;  ///< segments left out for PrepareOptions::max_length
    std::uint64_t unknown = 0;   ///< tokens that are `<unk>`
    CharacterCounts characters;
    std::uint64_t unwritable = 0;  ///< characters that the normalisation changes or removes
  };
  std::string corpus;
  std::string split;
  std::string task;     ///< as in CorpusSpec
  Direction direction;  ///< of a task
  CorpusReport report;
  std::vector<Language> languages;
};

/// Every `<unk>` is remarked on; a greater share of them among the tokens of a language asks for another vocabulary.
inline constexpr double kMostUnknown = 0.01;

/// Encodes corpora into a dataset folder, in memory that does not grow with them, and reads all of it back to see that
/// it is whole. Languages get the vocabulary's names. What the vocabulary makes nothing of counts as empty. Throws
/// Error where there are train corpora without any segment. The folder appears at the end or, after an Error, not at
/// all.
std::vector<PreparedSplit> prepare(const PrepareOptions& options, const ProgressSink& progress = {});

}  // namespace polymoe
