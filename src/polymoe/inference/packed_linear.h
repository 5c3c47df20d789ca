#pragma once

#include <algorithm>
#include <cstdint>
#include <variant>

#include <ATen/core/Tensor.h>

#include "polymoe/inference/aligned_array.h"
#include "polymoe/inference/workspace.h"
#include "polymoe/kernels/cpu/packed_product.h"

namespace polymoe {

/// What the weights of products are kept as. Products of bfloat16 weights compute with float32 inputs and sums; those
/// of int8 and int4 weights with inputs that are rounded to 8 bits row by row.
enum class WeightFormat { kFloat32, kBFloat16, kInt8, kInt4 };

/// Those of a model: of the experts that a gate chooses, and of what every token meets.
struct WeightFormats {
  WeightFormat dense, experts;

  constexpr WeightFormats(WeightFormat all) : dense(all), experts(all) {}
  constexpr WeightFormats(WeightFormat of_dense, WeightFormat of_experts) : dense(of_dense), experts(of_experts) {}
};

/// What a product is made of.
struct LinearWeight {
  at::Tensor weight;  ///< [outputs, inputs] of a floating-point type, or int8; or int4 as in Int4Weight
  at::Tensor scales;  ///< of int8 and int4 weights (see Int8Weight, Int4Weight); else undefined
  at::Tensor bias;    ///< [outputs], or undefined

  bool is_int8() const;
  bool is_int4() const;
  std::int64_t inputs() const;
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
  /// A weight that is int8 or int4 stays so, whatever the format.
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

  /// The weights of one output as a row [inputs]: what an embedding is that projects too. Of int4 weights: Error.
  void copy_row(std::int64_t output, float* row) const;

 private:
  template <typename T>
  struct Wide {
    AlignedArray<T> packed;
  };
  struct Int8 {
    AlignedArray<std::int8_t> packed;
    AlignedArray<float> scales;
    AlignedArray<std::int32_t> corrections;
    AlignedArray<std::uint16_t> order;  // empty: none

    kernels::QuantizedWeight weight() const {
      return {packed.data(), scales.data(), corrections.data(), order.size() > 0 ? order.data() : nullptr};
    }
  };
  struct Int4 {
    AlignedArray<std::uint8_t> packed;
    AlignedArray<kernels::BFloat16> scales;
  };

  void pack(const LinearWeight& source, WeightFormat format);
  template <typename T>
  void pack_wide(const at::Tensor& weight, at::ScalarType type);
  void pack_int8(const at::Tensor& values, const at::Tensor& scales);
  void pack_int4(const at::Tensor& values, const at::Tensor& scales);
  void run(const float* x, std::int64_t rows, kernels::ProductEnd end, float* y, Workspace& workspace) const;

  std::int64_t inputs_ = 0, outputs_ = 0;
  std::variant<Wide<float>, Wide<kernels::BFloat16>, Int8, Int4> weight_;
  AlignedArray<float> bias_;  // empty: none
};

}  // namespace polymoe
