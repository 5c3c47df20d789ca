#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "polymoe/checkpoint/safetensors.h"

namespace at {
class Tensor;
}

namespace polymoe {

/// The tensors of a model folder of Hugging Face's: model.safetensors or pytorch_model.bin, or their shards, which
/// NAME.index.json lists. The files are mapped; a tensor is copied when it is read.
class ForeignWeights {
 public:
  /// Safetensors are preferred where a folder has both. Throws Error, with the file, for shards that are missing or
  /// damaged, for tensors that are in two shards or not in the shard that the index tells, and where there are no
  /// weights.
  static ForeignWeights open(const std::filesystem::path& folder);
  ~ForeignWeights();
  ForeignWeights(ForeignWeights&&) noexcept;

  /// By name.
  const std::map<std::string, TensorSpec>& specs() const;
  /// A copy of a tensor; specs() has it.
  at::Tensor read(const std::string& name) const;
  /// Whether two tensors have the same shape, type and bytes. Neither is copied.
  bool same(const std::string& first, const std::string& second) const;
  /// The file that a tensor is in, for messages.
  std::filesystem::path file_of(const std::string& name) const;

 private:
  struct State;
  explicit ForeignWeights(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace polymoe
