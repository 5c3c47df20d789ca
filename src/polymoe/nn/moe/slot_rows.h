#pragma once

#include <ATen/core/Tensor.h>

namespace polymoe {

// Moving rows between tokens and expert slots, without autograd. `slot_of` int64, of the shape of
// Assignments::expert_ids and with its `token_begin`, names each token's slots; -1 marks an assignment that was
// dropped. Sums and products are taken in float32 (float64 for float64) and rounded once, on every device:
// by kernels/cpu/rows.h on the CPU, kernels/cuda on a GPU, and LibTorch's functions elsewhere.

/// Row i of the result is x[index[i]]. x [rows, width], index [n] int64 -> [n, width].
at::Tensor gather_rows(const at::Tensor& x, const at::Tensor& index);

/// Each token's weighted sum over its slots: slots [slots, width], weights float32 of the shape of slot_of, or
/// undefined, for 1 -> [tokens, width]. A token without a slot gets zeros.
at::Tensor combine_slots(const at::Tensor& slots, const at::Tensor& weights, const at::Tensor& slot_of,
                         const at::Tensor& token_begin = {});

struct CombineGradients {
  at::Tensor slots;    ///< [slots, width]
  at::Tensor weights;  ///< as the weights
};
/// The backward of combine_slots(): `grad` [tokens, width].
CombineGradients combine_slots_backward(const at::Tensor& grad, const at::Tensor& slots, const at::Tensor& weights,
                                        const at::Tensor& slot_of, const at::Tensor& token_begin = {});

/// The same two with LibTorch's functions, on any device and for any floating-point type.
at::Tensor combine_slots_without_kernel(const at::Tensor& slots, const at::Tensor& weights, const at::Tensor& slot_of,
                                        const at::Tensor& token_begin = {});
CombineGradients combine_slots_backward_without_kernel(const at::Tensor& grad, const at::Tensor& slots,
                                                       const at::Tensor& weights, const at::Tensor& slot_of,
                                                       const at::Tensor& token_begin = {});

}  // namespace polymoe
