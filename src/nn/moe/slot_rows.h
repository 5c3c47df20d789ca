#pragma once

#include <ATen/core/Tensor.h>

namespace polymoe {

// Moving rows between tokens and expert slots, without autograd. `slot_of` [tokens, top_k] int64 names each token's
// slots; -1 marks an assignment that was dropped. Sums and products are taken in float32 (float64 for float64) and
// rounded once, on every device: kernels/cpu/rows.h computes on the CPU, LibTorch's functions elsewhere.

/// Row i of the result is x[index[i]]. x [rows, width], index [n] int64 -> [n, width].
at::Tensor gather_rows(const at::Tensor& x, const at::Tensor& index);

/// Each token's weighted sum over its slots: slots [slots, width], weights [tokens, top_k] float32 or undefined, for 1
/// -> [tokens, width]. A token without a slot gets zeros.
at::Tensor combine_slots(const at::Tensor& slots, const at::Tensor& weights, const at::Tensor& slot_of);

struct CombineGradients {
  at::Tensor slots;    ///< [slots, width]
  at::Tensor weights;  ///< [tokens, top_k]
};
/// The backward of combine_slots(): `grad` [tokens, width].
CombineGradients combine_slots_backward(const at::Tensor& grad, const at::Tensor& slots, const at::Tensor& weights,
                                        const at::Tensor& slot_of);

/// The same two with LibTorch's functions, on any device and for any floating-point type.
at::Tensor combine_slots_without_kernel(const at::Tensor& slots, const at::Tensor& weights, const at::Tensor& slot_of);
CombineGradients combine_slots_backward_without_kernel(const at::Tensor& grad, const at::Tensor& slots,
                                                       const at::Tensor& weights, const at::Tensor& slot_of);

}  // namespace polymoe
