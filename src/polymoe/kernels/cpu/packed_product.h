#pragma once

#include <cstdint>

#include "polymoe/kernels/activation.h"
#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cpu/vectors.h"

/// Products with weights that were laid out for them once: what inference computes. The order in which inputs are
/// summed does not depend on the number of rows, so a row's result does not depend on what else is in its batch, bit
/// for bit.
///
/// The layout: panels of kPanel outputs, the last one filled up with zeros. A panel has the weights of its outputs for
/// the first input, then those for the second, and so on; of 8-bit weights, for groups of kGroup inputs (filled up with
/// zeros too), those of a group beside each other, output after output. Two such groups of 4-bit weights share their
/// bytes. AVX2's 8-bit weights have another layout (see packed_product_int8.cpp).
namespace polymoe::kernels {

constexpr std::int64_t kPanel = 64;
/// The most rows of a tile: its sums (kTileRows * kPanel) fill most registers, of AVX-512 24 of 32, and leave some for
/// operands.
constexpr std::int64_t kTileRows = 6;
constexpr std::int64_t kGroup = 4;
/// Inputs that share a scale in 4-bit weights.
constexpr std::int64_t kScaleGroup = 32;

constexpr std::int64_t panels_of(std::int64_t outputs) { return (outputs + kPanel - 1) / kPanel; }
constexpr std::int64_t groups_of(std::int64_t inputs) { return (inputs + kGroup - 1) / kGroup; }
constexpr std::int64_t scale_groups_of(std::int64_t inputs) { return (inputs + kScaleGroup - 1) / kScaleGroup; }

/// What becomes of the sums of an output: y = activation(sum + bias), or y += that.
struct ProductEnd {
  const float* bias = nullptr;  ///< [outputs]; null: none
  bool activates = false;
  Activation activation = Activation::kRelu;
  bool adds = false;  ///< to what is in y
};

/// Lays out `weight` [outputs, inputs]; `packed` has panels_of(outputs) * inputs * kPanel elements.
template <typename T>
void pack_weight(const T* weight, std::int64_t outputs, std::int64_t inputs, T* packed);

/// x [rows, inputs] times a packed weight -> the outputs of the panels [first, last) of y [rows, outputs].
template <typename T>
void packed_product(const float* x, std::int64_t rows, const T* packed, std::int64_t inputs, std::int64_t outputs,
                    std::int64_t first, std::int64_t last, const ProductEnd& end, float* y,
                    Vectors vectors = best_vectors());

/// Rows of 8 bits: x[r, i] is about scales[r] * (values[r, i] - 128).
struct QuantizedRows {
  const std::uint8_t* values;  ///< [rows, groups_of(inputs) * kGroup], from 1 to 255
  const float* scales;         ///< [rows]
};

/// Rounds each row of x [rows, inputs] to 255 steps between minus and plus its greatest absolute value.
void quantize_rows(const float* x, std::int64_t rows, std::int64_t inputs, std::uint8_t* values, float* scales);

/// Weights of 8 bits: w[o, i] is about scales[o] * values[o, i]. The layout depends on `vectors`: pack and
/// multiply with the same.
struct QuantizedWeight {
  const std::int8_t* packed;        ///< panels_of(outputs) * groups_of(inputs) * kGroup * kPanel
  const float* scales;              ///< [outputs]
  const std::int32_t* corrections;  ///< [panels_of(outputs) * kPanel], for the 128 in what they meet
  const std::uint16_t* order;       ///< [order_size()], of the groups of inputs; null where that is 0
};

/// The number of elements of QuantizedWeight::order; 0 where the layout has none.
std::int64_t order_size(std::int64_t outputs, std::int64_t inputs, Vectors vectors = best_vectors());

/// Lays out `values` [outputs, inputs], and computes the corrections and the order.
void pack_weight(const std::int8_t* values, std::int64_t outputs, std::int64_t inputs, std::int8_t* packed,
                 std::int32_t* corrections, std::uint16_t* order, Vectors vectors = best_vectors());

/// The weights of one output as a row [inputs].
void copy_row(const QuantizedWeight& weight, std::int64_t inputs, std::int64_t output, float* row);

/// The product of quantised rows and weights, as packed_product() otherwise; its sums are exact.
void packed_product(const QuantizedRows& x, std::int64_t rows, const QuantizedWeight& weight, std::int64_t inputs,
                    std::int64_t outputs, std::int64_t first, std::int64_t last, const ProductEnd& end, float* y,
                    Vectors vectors = best_vectors());

/// Rows of 8 bits for 4-bit weights: x[r, i] is about scales[r] * values[r, i].
struct GroupedRows {
  const std::int8_t* values;        ///< [rows, scale_groups_of(inputs) * kScaleGroup], from -127 to 127
  const float* scales;              ///< [rows]
  const std::int32_t* corrections;  ///< [rows, scale_groups_of(inputs)], -8 times the sum of a group's values
};

/// Rounds rows as the other does, and computes the corrections.
void quantize_rows(const float* x, std::int64_t rows, std::int64_t inputs, std::int8_t* values, float* scales,
                   std::int32_t* corrections);

/// Weights of 4 bits: w[o, i] is about scales[o, i / kScaleGroup] * (value - 8), values from 0 to 15.
struct GroupedWeight {
  const std::uint8_t* packed;  ///< panels_of(outputs) * scale_groups_of(inputs) * kScaleGroup * kPanel / 2
  const BFloat16* scales;      ///< [panels_of(outputs), scale_groups_of(inputs), kPanel]
};

/// Lays out `values` [outputs, inputs / 2] (of two inputs, the first has the lower 4 bits; `inputs` is even) and
/// `group_scales` [outputs, scale_groups_of(inputs)].
void pack_weight(const std::uint8_t* values, const BFloat16* group_scales, std::int64_t outputs, std::int64_t inputs,
                 std::uint8_t* packed, BFloat16* scales);

/// The product of such rows and weights. The sum of a group is exact; those of groups are added as floats, in order.
void packed_product(const GroupedRows& x, std::int64_t rows, const GroupedWeight& weight, std::int64_t inputs,
                    std::int64_t outputs, std::int64_t first, std::int64_t last, const ProductEnd& end, float* y,
                    Vectors vectors = best_vectors());

}  // namespace polymoe::kernels
