#pragma once

#include "nn/moe/router.h"

namespace polymoe {

/// Every token goes to the top-k experts by the softmax of their scores (Shazeer et al. 2017; k = 1: Fedus et al. 2022,
/// arXiv 2109.10465). The experts' probabilities, which never carry Gumbel noise, scale their outputs; with k > 1 they
/// may be divided by their sum over the kept assignments, so that a token that lost one expert leans on the others.
class TokenChoiceRouter : public Router {
 public:
  using Router::Router;
  RouterOutput forward(const at::Tensor& x, const ForwardContext& context, const RoutingRequest& request = {}) override;
};

/// The `top_k` experts with the highest rank, best first: ranking [tokens, experts] -> [tokens, top_k] int64. With ties
/// the lower expert wins, on every device.
at::Tensor top_experts(const at::Tensor& ranking, std::int64_t top_k);

/// values [tokens, top_k] divided by their sum over the assignments that `routing` keeps; those that it drops are 0.
at::Tensor divided_by_kept(const at::Tensor& values, const Routing& routing);

/// E * sum_e mean(probability_e) * mean(first choice is e), arXiv 2109.10465, of probabilities [tokens, experts] and
/// first choices [tokens].
at::Tensor balance_loss(const at::Tensor& probabilities, const at::Tensor& first_choices);

}  // namespace polymoe
