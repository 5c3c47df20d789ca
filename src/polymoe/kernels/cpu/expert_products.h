#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cpu/packed_product.h"

/// The three products of a linear layer in training, of float32 or BFloat16. Each reads or writes the weight once,
/// panel after panel, so that layers of few rows and many weights, as experts are, take no longer than the arithmetic.
/// Sums are float32 and run over their terms in order (of bfloat16, pair by pair), whatever the number of rows, so a
/// row's result does not depend on which other rows are there, bit for bit. Sums of bfloat16 are rounded once, at their
/// end.
///
/// In the first two, BFloat16 has even numbers of inputs and of outputs, and rows that begin at multiples of 4 bytes.
///
/// All take ranges of panels of kPanel columns, so that threads share one product, and `scratch` of
/// expert_scratch(rows, outputs, inputs) floats, apart for each thread.
namespace polymoe::kernels {

/// Enough for fewer rows too.
template <typename Element>
std::int64_t expert_scratch(std::int64_t rows, std::int64_t outputs, std::int64_t inputs);

/// x [rows, inputs] times the transpose of weight [outputs, inputs], plus bias [outputs] where it is not null: the
/// outputs of the panels [first, last) of y [rows, outputs].
template <typename Element>
void expert_forward(const Element* x, std::int64_t rows, const Element* weight, std::int64_t outputs,
                    std::int64_t inputs, const Element* bias, std::int64_t first, std::int64_t last, Element* y,
                    float* scratch, Vectors vectors = best_vectors());

/// dy [rows, outputs] times weight [outputs, inputs]: the inputs of the panels [first, last) of dx [rows, inputs].
template <typename Element>
void expert_backward(const Element* dy, std::int64_t rows, const Element* weight, std::int64_t outputs,
                     std::int64_t inputs, std::int64_t first, std::int64_t last, Element* dx, float* scratch,
                     Vectors vectors = best_vectors());

/// The transpose of dy [rows, outputs] times x [rows, inputs]: the inputs of the panels [first, last) of
/// dw [outputs, inputs]. A row of dy begins `dy_row` elements after the one before.
template <typename Element>
void expert_weight_gradient(const Element* dy, std::int64_t dy_row, const Element* x, std::int64_t rows,
                            std::int64_t outputs, std::int64_t inputs, std::int64_t first, std::int64_t last,
                            Element* dw, float* scratch, Vectors vectors = best_vectors());

}  // namespace polymoe::kernels
