#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <torch/nn/module.h>

#include "polymoe/nn/shard_spec.h"

namespace polymoe {

/// What a parameter is for. Its first values and its precision follow from that, and how it is stored.
enum class Role {
  kMatrix,     ///< of a linear map
  kEmbedding,  ///< of the vocabulary
  kNorm,       ///< of a normalisation; stays in float32
  kGate,       ///< scores experts; stays in float32
  kExpert,     ///< a stack of experts' parameters, [experts, ...], each of which is a logical tensor of its own
};

/// A parameter as its module has registered it.
struct ParameterSpec {
  ShardSpec shard;  ///< which part of its logical tensor it holds
  Role role = Role::kMatrix;
  bool bias = false;       ///< what is added: it begins at zero
  std::string block = {};  ///< the full name of the BlockModule that it is in; empty outside of blocks

  /// Whether it is float32 in a model of lower precision too.
  bool stays_wide() const { return role == Role::kNorm || role == Role::kGate; }
};

/// A module that says of its parameters what they are.
class ParameterModule : public torch::nn::Module {
 public:
  /// By the parameter's name in this module; blocks are not known here.
  const std::map<std::string, ParameterSpec>& own_specs() const { return specs_; }

 protected:
  /// Registers a parameter of the shard's local shape, float32, not initialised.
  at::Tensor register_weight(const std::string& name, Role role, ShardSpec shard);
  at::Tensor register_bias(const std::string& name, Role role, ShardSpec shard);

 private:
  at::Tensor add(const std::string& name, ParameterSpec parameter);

  std::map<std::string, ParameterSpec> specs_;
};

/// Marks a module, a layer of the model, as a block: its parameters are gathered, recomputed and updated together.
class BlockModule {
 public:
  virtual ~BlockModule() = default;
};

/// Until its end, parameters that this thread registers have no elements: their shards say how many they will have
/// when someone (ParameterStore) gives them memory. So a model that is larger than the memory can be made.
class OnMetaDevice {
 public:
  OnMetaDevice();
  ~OnMetaDevice();
  OnMetaDevice(const OnMetaDevice&) = delete;
  OnMetaDevice& operator=(const OnMetaDevice&) = delete;
};

/// All parameters of `module` and the modules in it, by full name. One of which no module says anything is whole, a
/// matrix, or a bias where it has one dimension.
std::map<std::string, ParameterSpec> parameter_specs(const torch::nn::Module& module);

/// Elements of the logical tensor.
std::int64_t logical_size(const ShardSpec& shard);

/// Gives a parameter its first values, from (seed, its full name, element of the logical tensor): weights of matrices
/// and gates uniform as Glorot and Bengio (2010) have it, embeddings uniform with variance 1 / hidden, norms one,
/// biases zero. So the parts of a model have the numbers of the whole one.
void initialize_parameter(const std::string& name, const at::Tensor& parameter, const ParameterSpec& spec,
                          std::uint64_t seed);
/// The same for all parameters of `module`.
void initialize(torch::nn::Module& module, std::uint64_t seed);

}  // namespace polymoe
