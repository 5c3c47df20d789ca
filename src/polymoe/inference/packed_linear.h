#pragma once

#include <algorithm>
#include <cstdint>
#include <variant>

#include <ATen/core/Tensor.h>

#include "polymoe/inference/workspace.h"
#include "polymoe/kernels/cpu/packed_product.h"
#include "polymoe/tensor/int8_weight.h"

namespace polymoe {

/// What the weights of products are kept as: products of bfloat16 weights compute with float32 inputs and sums; those
/// of int8 weights with inputs that are rounded to 8 bits row by row.
enum class WeightFormat { kFloat32, kBFloat16, kInt8 };

/// What a product is made of.
struct LinearWeight {
  at::Tensor weight;  ///< [outputs, inputs] of a floating-point type, or int8
  at::Tensor scales;  ///< [outputs], of int8 weights (see Int8Weight); else undefined
  at::Tensor bias;    ///< [outputs], or undefined
};

/// The values of a tensor of elements T, row-major.
template <typename T>
AlignedArray<T> copy_of(const at::Tensor& values) {
  const at::Tensor contiguous = values.contiguous();
  AlignedArray<T> copy(contiguous.numel());
  std::copy_n(static_cast<const T*>(contiguous.const_data_ptr()), contiguous.numel(), copy.data());
  return copy;
}

/// y = x weight^T + bias, its weight laid out for kernels::packed_product(). What a row gives does not depend on the
/// others.
class PackedLinear {
 public:
  /// No weight: for a place that is filled later.
  PackedLinear() = default;
  /// A weight that is int8 stays so, whatever the format.
  PackedLinear(const LinearWeight& source, WeightFormat format);

  std::int64_t inputs() const { return inputs_; }
  std::int64_t outputs() const { return outputs_; }
  /// Of weights, scales and bias.
  std::int64_t bytes() const;

  /// x [rows, inputs] -> y [rows, outputs].
  void apply(const float* x, std::int64_t rows, float* y, Workspace& workspace) const {
    run(x, rows, {}, y, workspace);
  }
  /// The same, activated.
  void activate(const float* x, std::int64_t rows, Activation activation, float* y, Workspace& workspace) const {
    run(x, rows, {.activates = true, .activation = activation}, y, workspace);
  }
  /// Adds to y.
  void add(const float* x, std::int64_t rows, float* y, Workspace& workspace) const {
    run(x, rows, {.adds = true}, y, workspace);
  }

  /// The weights of one output as a row [inputs]: what an embedding is that projects too.
  void copy_row(std::int64_t output, float* row) const;

 private:
  struct Int8 {
    AlignedArray<std::int8_t> packed;
    AlignedArray<float> scales;
    AlignedArray<std::int32_t> corrections;
  };

  void pack(const Int8Weight& weight);
  void run(const float* x, std::int64_t rows, kernels::ProductEnd end, float* y, Workspace& workspace) const;

  std::int64_t inputs_ = 0, outputs_ = 0;
  std::variant<AlignedArray<float>, AlignedArray<kernels::BFloat16>, Int8> weight_;
  AlignedArray<float> bias_;  // empty: none
};

}  // namespace polymoe
