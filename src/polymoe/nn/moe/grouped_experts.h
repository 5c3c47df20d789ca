#pragma once

#include "polymoe/nn/moe/experts.h"

namespace polymoe {

/// Whether grouped_experts() can compute on these: a GPU's bfloat16, in widths that grouped products take, on a GPU
/// that has such products, in a build that has the kernels.
bool can_group(const at::Tensor& rows, const ExpertWeights& weights);

/// The segments [experts, 5] of an ExpertInputs::expert_end, on its GPU.
at::Tensor segments_of_experts(const at::Tensor& expert_end, PhiloxKey key);

/// All experts in one product for each weight, with the numbers of slots only on the GPU, so that the host need not
/// wait for them. rows [slots, hidden]; expert_end [experts] int32; segments as kernels::cuda::Segments has them. What
/// it returns for slots that are not in use is undefined.
at::Tensor grouped_experts(const at::Tensor& rows, const ExpertWeights& weights, const at::Tensor& expert_end,
                           const at::Tensor& segments, const ExpertsCall& call);

}  // namespace polymoe
