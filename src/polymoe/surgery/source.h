#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/config/run_options.h"

namespace polymoe {

/// A checkpoint that a new one is made from.
struct Source {
  Checkpoint checkpoint;
  RunOptions options;
  std::optional<std::string> vocabulary;  ///< the bytes of vocab.model; nothing where there is none

  /// Opens a checkpoint, or a run folder's best or else newest one, and compares its checksums. Throws Error where
  /// there is none, where it holds no configuration, or where it is damaged.
  static Source open(const std::filesystem::path& path);

  std::string path() const { return checkpoint.path().string(); }
  /// What a new checkpoint tells of this one: path, update, and where it came from itself.
  nlohmann::json origin() const;
};

std::vector<Source> open_sources(const std::vector<std::filesystem::path>& paths);
std::vector<std::filesystem::path> paths_of(const std::vector<Source>& sources);

/// The number of experts of each MoE layer, by ExpertName::layer, in a group of tensors. Throws Error for experts that
/// are not numbered 0, 1, ... or are not as many as the rows of their gate.
std::map<std::string, std::int64_t> count_experts(const Checkpoint& checkpoint, std::string_view group);

/// Throws Error where the weights have other MoE layers, or other numbers of experts, than the configuration tells.
void check_experts(const Source& source);

/// The layer of `counts` that model.moe's `layer` ("encoder.layers.1") is. Throws Error where there is none.
std::string find_moe_layer(const std::map<std::string, std::int64_t>& counts, const std::string& layer);

}  // namespace polymoe
