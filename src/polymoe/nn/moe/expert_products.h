#pragma once

#include <ATen/core/Tensor.h>

namespace polymoe {

/// The matrix products of experts whose rows lie in memory expert after expert: those of expert e are
/// [expert_begin[e], expert_begin[e + 1]), an int64 tensor [experts + 1] on the CPU. Weights are [experts, outputs,
/// inputs]. On a CPU the products are those of kernels/cpu where nn/shared_products.h has it so, shared among threads
/// by experts and columns; else LibTorch's, expert by expert.

/// x [rows, inputs] times the transposes of `weight`, plus `bias` [experts, outputs] where it is defined, into
/// y [rows, outputs]. What a row becomes must not depend on which other micro-batches are there, or a router further on
/// may choose another expert; LibTorch's products of another number of rows may round differently, so they are done
/// segment by segment of `plan`, int64 [segments, kernels::kSegmentColumns].
void multiply_experts(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const at::Tensor& expert_begin, const at::Tensor& plan, at::Tensor& y);

/// dy [rows, outputs] times `weight` into dx [rows, inputs].
void multiply_experts_backward(const at::Tensor& dy, const at::Tensor& weight, const at::Tensor& expert_begin,
                               at::Tensor& dx);

/// The transposes of dy [rows, outputs] times x [rows, inputs], into dw [experts, outputs, inputs], and the sums of
/// dy's rows into db [experts, outputs]. Experts without rows get zeros.
void expert_weight_gradients(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& expert_begin, at::Tensor& dw,
                             at::Tensor& db);

}  // namespace polymoe
