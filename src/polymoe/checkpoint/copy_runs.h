#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "polymoe/checkpoint/safetensors.h"
#include "polymoe/nn/shard_spec.h"

namespace at {
class Tensor;
}

/// Between the bytes of a file and tensors that hold a part of them. Internal to this folder.
namespace polymoe {

/// A logical tensor as it lies in a file, aligned to anything.
struct StoredTensor {
  std::span<const std::byte> bytes;
  const TensorSpec& spec;
};

/// Throws Error, with the tensor's name, for runs that do not lie within `elements` elements of the logical tensor.
void check_logical_runs(const TensorSpec& spec, const std::vector<Run>& runs);
/// The same for the other side, a local tensor of `elements` elements.
void check_local_runs(const TensorSpec& spec, std::int64_t elements, const std::vector<Run>& runs);

/// See Checkpoint::read_runs.
void copy_runs(const StoredTensor& stored, const at::Tensor& local, const std::vector<Run>& runs);

}  // namespace polymoe
