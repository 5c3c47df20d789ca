#pragma once

#include <cstdint>

#include "polymoe/kernels/cpu/packed_product.h"

/// The three products of a linear layer in training, for layers of few rows and many weights, as experts are. Each
/// reads or writes the weight once, from one end to the other. Sums run over their terms in order, whatever the number
/// of rows, so a row's result does not depend on which other rows are there, bit for bit.
///
/// All take ranges of panels of kPanel columns, so that threads share one product, and `scratch` of
/// expert_scratch(rows, outputs, inputs) floats, apart for each thread.
namespace polymoe::kernels {

std::int64_t expert_scratch(std::int64_t rows, std::int64_t outputs, std::int64_t inputs);

/// x [rows, inputs] times the transpose of weight [outputs, inputs], plus bias [outputs] where it is not null: the
/// outputs of the panels [first, last) of y [rows, outputs].
void expert_forward(const float* x, std::int64_t rows, const float* weight, std::int64_t outputs, std::int64_t inputs,
                    const float* bias, std::int64_t first, std::int64_t last, float* y, float* scratch,
                    Vectors vectors = best_vectors());

/// dy [rows, outputs] times weight [outputs, inputs]: the inputs of the panels [first, last) of dx [rows, inputs].
void expert_backward(const float* dy, std::int64_t rows, const float* weight, std::int64_t outputs, std::int64_t inputs,
                     std::int64_t first, std::int64_t last, float* dx, float* scratch,
                     Vectors vectors = best_vectors());

/// The transpose of dy [rows, outputs] times x [rows, inputs]: the inputs of the panels [first, last) of
/// dw [outputs, inputs]. A row of dy begins `dy_row` floats after the one before.
void expert_weight_gradient(const float* dy, std::int64_t dy_row, const float* x, std::int64_t rows,
                            std::int64_t outputs, std::int64_t inputs, std::int64_t first, std::int64_t last, float* dw,
                            float* scratch, Vectors vectors = best_vectors());

}  // namespace polymoe::kernels
