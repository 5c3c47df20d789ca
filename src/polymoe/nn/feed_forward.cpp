#include "polymoe/nn/feed_forward.h"

#include <utility>

#include "polymoe/config/model_options.h"
#include "polymoe/tensor/torch_headers.h"

#include "polymoe/nn/dropout.h"

namespace polymoe {

FeedForwardImpl::FeedForwardImpl(const ModelOptions& options, std::string full_name,
                                 const std::shared_ptr<ModelAxis>& axis)
    : full_name_(std::move(full_name)),
      activation_(options.activation),
      activation_dropout_(options.activation_dropout),
      first_column_(options.ffn * axis->rank() / axis->size()) {
  up_ = register_module("up", ColumnLinear(options.hidden, options.ffn, axis));
  down_ = register_module("down", RowLinear(options.ffn, options.hidden, axis));
}

at::Tensor FeedForwardImpl::forward(const at::Tensor& x, const ForwardContext& context) {
  at::Tensor inner = up_(x, activation_);
  if (context.training) {
    inner = counter_dropout(inner, activation_dropout_, context.random_key(full_name_ + ".activation"),
                            {.first_column = first_column_});
  }
  return down_(inner);
}

}  // namespace polymoe
