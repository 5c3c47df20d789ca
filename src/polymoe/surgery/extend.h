#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "polymoe/base/progress.h"
#include "polymoe/text/extend_vocabulary.h"

namespace polymoe {

struct ExtendOptions {
  std::filesystem::path checkpoint;  ///< or a run folder, see resolve_checkpoint()
  std::vector<NewLanguage> languages;
  std::vector<std::filesystem::path> pieces;  ///< files that read_pieces() reads
  std::filesystem::path output;
};

struct ExtendReport {
  std::int64_t ids_before = 0, ids_after = 0;
  std::vector<std::string> pieces;  ///< that are new, in the order of their ids
};

/// Writes a checkpoint of the same model with more languages and pieces in its vocabulary (see extend_vocabulary()).
/// The rows of the embedding that were there keep their values; a new one is the mean of those that
/// ExtendedVocabulary::from tells, or of all where it tells none. Optimiser state is left out. A tensor is in memory at
/// a time. Throws Error where the checkpoint has no vocabulary, or one that is not its own; nothing is written then.
ExtendReport extend(const ExtendOptions& options, const ProgressSink& progress = {});

}  // namespace polymoe
