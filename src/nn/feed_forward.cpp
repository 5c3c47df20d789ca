#include "nn/feed_forward.h"

#include <utility>

#include "nn/torch_headers.h"

#include "nn/dropout.h"

namespace polymoe {

FeedForwardImpl::FeedForwardImpl(const ModelOptions& options, std::string place)
    : place_(std::move(place)),
      activation_(parse_activation(options.activation)),
      activation_dropout_(options.activation_dropout) {
  up_ = register_module("up", Linear(options.hidden, options.ffn));
  down_ = register_module("down", Linear(options.ffn, options.hidden));
}

at::Tensor FeedForwardImpl::forward(const at::Tensor& x, const ForwardContext& context) {
  at::Tensor inner = activate(up_(x), activation_);
  if (context.training) inner = counter_dropout(inner, activation_dropout_, context.random_key(place_ + ".activation"));
  return down_(inner);
}

}  // namespace polymoe
