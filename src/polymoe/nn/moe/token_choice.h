#pragma once

#include "polymoe/nn/moe/router.h"

namespace polymoe {

/// Every token goes to the top-k experts by the softmax of their scores (Shazeer et al. 2017; k = 1: Fedus et al. 2022,
/// arXiv 2109.10465). The experts' probabilities, which never carry Gumbel noise, scale their outputs; with k > 1 they
/// may be divided by their sum over the kept assignments, so that a token that lost one expert leans on the others.
/// While training with k = 2, the second expert may be drawn, or left out at random (SecondExpert).
///
/// Its balance loss takes the load as shares of the micro-batch's choices: of first choices up to k = 2 (Lepikhin et
/// al. 2021, GShard), of all k beyond. With BalanceScope::kUpdate it takes them over the whole update before (after Qiu
/// et al. 2025, arXiv 2501.11873): the update's own choices are known only when all of its micro-batches are done. A
/// load that is even over the update is not pulled at where single micro-batches, of one domain each, are uneven.
class TokenChoiceRouter : public Router {
 public:
  TokenChoiceRouter(std::int64_t hidden, const MoeOptions& options, std::string full_name);
  RouterOutput forward(const at::Tensor& x, const ForwardContext& context, const RoutingRequest& request = {}) override;
  bool follows_load() const override { return load.defined(); }
  void follow(const at::Tensor& update_load) override;

  at::Tensor load;  ///< [experts] float32: choices in the update before, 0 before the first; undefined without kUpdate

 private:
  /// The choices of every token [tokens, top_k]; -1 for a second one that is left out.
  at::Tensor choose(const at::Tensor& logits, const at::Tensor& probabilities, const ForwardContext& context) const;
  at::Tensor load_shares(const at::Tensor& expert_ids, at::ScalarType type) const;
};

/// The `top_k` experts with the highest rank, best first: ranking [tokens, experts] -> [tokens, top_k] int64. With ties
/// the lower expert wins, on every device.
at::Tensor top_experts(const at::Tensor& ranking, std::int64_t top_k);

/// values [tokens, top_k] divided by their sum over the assignments that `routing` keeps; those that it drops are 0.
at::Tensor divided_by_kept(const at::Tensor& values, const Routing& routing);

}  // namespace polymoe
