#pragma once

#include <cstdint>
#include <variant>

#include <ATen/core/Tensor.h>

#include "inference/workspace.h"
#include "kernels/cpu/packed_product.h"

namespace polymoe {

/// What the weights of products are kept as: products of bfloat16 weights compute with float32 inputs and sums; those
/// of int8 weights with inputs that are rounded to 8 bits row by row.
enum class WeightFormat { kFloat32, kBFloat16, kInt8 };

/// y = x weight^T + bias, its weight laid out for kernels::packed_product(). What a row gives does not depend on the
/// others.
class PackedLinear {
 public:
  /// No weight: for a place that is filled later.
  PackedLinear() = default;
  /// weight [outputs, inputs] of any floating-point type; bias [outputs] or undefined.
  PackedLinear(const at::Tensor& weight, const at::Tensor& bias, WeightFormat format);

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

  void run(const float* x, std::int64_t rows, kernels::ProductEnd end, float* y, Workspace& workspace) const;

  std::int64_t inputs_ = 0, outputs_ = 0;
  std::variant<AlignedArray<float>, AlignedArray<kernels::BFloat16>, Int8> weight_;
  AlignedArray<float> bias_;  // empty: none
};

/// Rounds `weight` [outputs, inputs] to int8 values and one scale for each output, its greatest absolute value over
/// 127: w is about scale * value.
struct Int8Weight {
  at::Tensor values;  ///< [outputs, inputs] int8
  at::Tensor scales;  ///< [outputs] float32
};
Int8Weight quantize_int8(const at::Tensor& weight);

}  // namespace polymoe
