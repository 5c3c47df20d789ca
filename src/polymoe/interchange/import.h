#pragma once

#include <filesystem>

#include "polymoe/base/progress.h"

namespace polymoe {

struct ImportOptions {
  std::filesystem::path folder;  ///< of a model of Hugging Face's: config.json, weights, tokenizer
  std::filesystem::path output;  ///< the checkpoint to make
};

/// Makes a checkpoint of a model of one of the classes of ForeignClass. The weights keep their values and element
/// types; one tensor is in memory at a time. Throws Error, with the file, for tensors that are missing, unknown or of
/// another shape, for copies of the embedding and tables of positions that are none, and as parse_foreign_config(),
/// ForeignWeights::open() and read_foreign_vocabulary() do; nothing is written then.
void import_model(const ImportOptions& options, const ProgressSink& progress = {});

}  // namespace polymoe
