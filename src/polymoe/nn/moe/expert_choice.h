#pragma once

#include "polymoe/nn/moe/router.h"

namespace polymoe {

/// Every expert takes the tokens of the micro-batch that score highest for it, as many as its capacity (Zhou et al.
/// 2022, arXiv 2202.09368): the load is even by itself, and a token goes to as many experts as pick it, top-k times the
/// capacity factor on average. The softmax over experts of a token's scores scales their outputs. As an expert compares
/// all tokens of a batch, what a token gets depends on the others: not for decoders, which would look ahead, and in
/// decoding, where the capacity is that of evaluation, the encoder's output depends on the batch.
class ExpertChoiceRouter : public Router {
 public:
  using Router::Router;
  RouterOutput forward(const at::Tensor& x, const ForwardContext& context, const RoutingRequest& request = {}) override;
};

/// Each expert with its `capacity` tokens of highest rank: ranking [tokens, experts]. With ties the earlier token wins.
Assignments choose_tokens(const at::Tensor& ranking, std::int64_t capacity);

}  // namespace polymoe
