#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace torch::nn {
class Module;
}

namespace polymoe {

/// Where one parameter lies in the flat buffer of its unit.
struct FlatParameter {
  std::string name;
  at::Tensor parameter;     ///< the module's; in float32 a view of `values`
  std::int64_t offset = 0;  ///< in elements
};

/// The parameters of one block of the model in flat float32 buffers: the unit in which optimiser state is kept and,
/// over several processes, sharded. Dense and expert parameters are never in one unit.
struct ParameterUnit {
  std::string name;
  bool experts = false;
  std::vector<FlatParameter> parameters;
  at::Tensor values;          ///< [size] float32: the master weights
  at::Tensor gradients;       ///< [size] float32
  at::Tensor first_moments;   ///< [size] float32
  at::Tensor second_moments;  ///< [size] float32
};

/// All parameters of a model, as units. A float32 parameter becomes a view of its unit's values, and its gradient a
/// view of the gradients, so backward accumulates straight into the flat buffer. A parameter of lower precision keeps
/// its own storage; its gradients are added to the flat buffer by collect_gradients(), and publish() writes it anew
/// from the master weights.
class ParameterStore {
 public:
  /// Takes over `module`'s parameters. One unit for each layer, split in dense and expert parameters, and one for the
  /// rest. The module must not be moved or converted afterwards.
  explicit ParameterStore(torch::nn::Module& module);

  std::vector<ParameterUnit>& units() { return units_; }
  const std::vector<ParameterUnit>& units() const { return units_; }

  void zero_gradients();
  /// After each backward: adds low-precision gradients to the flat buffers.
  void collect_gradients();
  /// After an update of the master weights: writes the low-precision parameters.
  void publish();

 private:
  std::vector<ParameterUnit> units_;
};

/// The shape of `parameter`, as a view into one of the unit's buffers.
at::Tensor view_in(const at::Tensor& buffer, const FlatParameter& parameter);

}  // namespace polymoe
