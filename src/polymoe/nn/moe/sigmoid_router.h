#pragma once

#include "polymoe/nn/moe/router.h"

namespace polymoe {

/// Every token goes to the k experts with the highest sigmoid(score) + bias, and sigmoid(score) alone scales their
/// outputs, with k > 1 divided by its sum over the kept ones where options say so. Nothing but the bias balances the
/// load, so no balance loss works against the task's: after each update it falls by model.moe.bias-rate for experts
/// with more than an even share of the update's choices, and rises for those with less (Wang et al. 2024, arXiv
/// 2408.15664; DeepSeek-AI 2024, arXiv 2412.19437, section 2.1.2). The balance loss that it reports is a measure: of
/// the normalised sigmoids and all choices.
class SigmoidRouter : public Router {
 public:
  SigmoidRouter(std::int64_t hidden, const MoeOptions& options, std::string full_name);
  RouterOutput forward(const at::Tensor& x, const ForwardContext& context, const RoutingRequest& request = {}) override;
  bool follows_load() const override { return true; }
  void follow(const at::Tensor& load) override;

  at::Tensor bias;  ///< [experts] float32
};

}  // namespace polymoe
