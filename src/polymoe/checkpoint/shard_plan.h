#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "polymoe/checkpoint/safetensors.h"
#include "polymoe/comm/communicator.h"
#include "polymoe/nn/shard_spec.h"

/// What a group of processes is about to write, before the first byte. Internal to this folder.
namespace polymoe {

/// What this process has of a logical tensor.
struct TensorPart {
  TensorSpec spec;                   ///< of the logical tensor
  std::function<at::Tensor()> make;  ///< makes the local tensor; not called where there are no runs
  std::vector<Run> runs;             ///< in the order of their places in the logical tensor
};
using TensorGroups = std::map<std::string, std::vector<TensorPart>>;

/// A shard file and the tensors in it.
struct PlannedShard {
  std::string group;
  std::string file;
  SafetensorsLayout layout;
  std::vector<const TensorPart*> parts;  ///< of layout.tensors
};

/// Cuts groups of tensors into shards of at most `shard_bytes` of tensors, or of one larger tensor. The plan points
/// into `groups`. Throws Error for what a safetensors file cannot hold.
std::vector<PlannedShard> plan_shards(const TensorGroups& groups, std::uint64_t shard_bytes);

/// Compares the members' plans and makes sure that every element of every tensor is in exactly one run of one member.
/// Called by all members; when something is wrong, all throw the same Error.
void check_plans(Communicator& group, const std::vector<PlannedShard>& shards);

}  // namespace polymoe
