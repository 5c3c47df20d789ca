#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cpu/packed_product.h"

/// The products of expert_products.h in bfloat16, with sums in float32 that are rounded once, at their end. Sums run
/// over pairs of terms in order, whatever the number of rows. In the first two, the numbers of inputs and of outputs
/// are even, and rows begin at multiples of 4 bytes.
namespace polymoe::kernels {

/// Floats of scratch that a thread needs for so many rows, or for fewer.
std::int64_t bfloat16_scratch(std::int64_t rows, std::int64_t outputs, std::int64_t inputs);

void expert_forward(const BFloat16* x, std::int64_t rows, const BFloat16* weight, std::int64_t outputs,
                    std::int64_t inputs, const BFloat16* bias, std::int64_t first, std::int64_t last, BFloat16* y,
                    float* scratch, Vectors vectors = best_vectors());

void expert_backward(const BFloat16* dy, std::int64_t rows, const BFloat16* weight, std::int64_t outputs,
                     std::int64_t inputs, std::int64_t first, std::int64_t last, BFloat16* dx, float* scratch,
                     Vectors vectors = best_vectors());

void expert_weight_gradient(const BFloat16* dy, std::int64_t dy_row, const BFloat16* x, std::int64_t rows,
                            std::int64_t outputs, std::int64_t inputs, std::int64_t first, std::int64_t last,
                            BFloat16* dw, float* scratch, Vectors vectors = best_vectors());

}  // namespace polymoe::kernels
