#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "polymoe/checkpoint/checkpoint.h"

namespace polymoe {

/// What errors about a damaged checkpoint advise.
inline constexpr char kDamagedAdvice[] = "the checkpoint is damaged: use another one or a copy of it";

inline constexpr char kIndexFile[] = "index.json";

/// What a checkpoint's `index.json` says. Internal to this folder.
struct CheckpointIndex {
  struct Tensor {
    TensorSpec spec;
    std::size_t shard = 0;  ///< index into `shards`
  };
  using Group = std::map<std::string, Tensor, std::less<>>;

  std::vector<CheckpointShard> shards;
  std::map<std::string, Group, std::less<>> groups;
  nlohmann::json meta;
};

/// Writes the index whole or not at all. Throws Error for a `meta` that JSON cannot hold exactly (infinities, bytes
/// that are not UTF-8).
void write_index(const std::filesystem::path& path, const CheckpointIndex& index);

/// Throws Error for an index that is missing, damaged or of a newer format.
CheckpointIndex read_index(const std::filesystem::path& path);

}  // namespace polymoe
