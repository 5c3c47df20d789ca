#pragma once

#include <cstdint>
#include <filesystem>

#include "polymoe/base/progress.h"

namespace polymoe {

/// The size at which a new shard begins, as transformers has it.
inline constexpr std::uint64_t kForeignShardBytes = 5'000'000'000;

struct ExportOptions {
  std::filesystem::path checkpoint;  ///< or a run folder, which stands for its best or else newest one
  std::filesystem::path output;      ///< the folder to make
  std::uint64_t shard_bytes = kForeignShardBytes;
};

/// Writes a model as the folder that transformers' from_pretrained() reads: config.json, generation_config.json,
/// weights as safetensors, and the tokenizer of an imported vocabulary. The weights keep their values and element
/// types; one tensor is in memory at a time. Throws Error for a model that is of no class of ForeignClass (see
/// class_for()), and for a folder that exists and is not empty; nothing is written then.
void export_model(const ExportOptions& options, const ProgressSink& progress = {});

}  // namespace polymoe
