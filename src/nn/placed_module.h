#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <torch/nn/module.h>

#include "nn/placement.h"

namespace polymoe {

/// A module that says of its parameters which part of their logical tensors they hold.
class PlacedModule : public torch::nn::Module {
 public:
  /// By the parameter's name in this module.
  const std::map<std::string, Placement>& placements() const { return placements_; }

 protected:
  /// Registers a parameter of the placement's local shape, float32, not initialised.
  at::Tensor register_placed(const std::string& name, Placement placement);

 private:
  std::map<std::string, Placement> placements_;
};

/// Until its end, parameters that this thread registers have no elements: their placements say how many they will have
/// when someone (ParameterStore) gives them memory. So a model that is larger than the memory can be made.
class WithoutMemory {
 public:
  WithoutMemory();
  ~WithoutMemory();
  WithoutMemory(const WithoutMemory&) = delete;
  WithoutMemory& operator=(const WithoutMemory&) = delete;
};

/// The placements of all parameters of `module` and the modules in it, by full name. A parameter of which no module
/// says anything is whole.
std::map<std::string, Placement> placements_of(const torch::nn::Module& module);

/// Elements of the logical tensor.
std::int64_t logical_size(const Placement& placement);

/// Gives a parameter its first values, from (seed, its full name, element of the logical tensor): weights of matrices
/// uniform as Glorot and Bengio (2010) have it (a tenth of that for gates), embeddings uniform with variance 1 /
/// hidden, norms one, biases zero. So the parts of a model have the numbers of the whole one.
void initialize_parameter(const std::string& name, const at::Tensor& parameter, const Placement& placement,
                          std::uint64_t seed);
/// The same for all parameters of `module`.
void initialize(torch::nn::Module& module, std::uint64_t seed);

}  // namespace polymoe
