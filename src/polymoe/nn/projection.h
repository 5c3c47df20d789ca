#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "polymoe/nn/model_axis.h"

namespace polymoe {

/// The map from final states to the logits of the vocabulary, states * weight^T + bias, or the entries of the
/// vocabulary that this process holds of it.
struct Projection {
  /// All of the vocabulary. A matrix will do where a projection is wanted.
  Projection(at::Tensor whole) : weight(std::move(whole)), vocabulary(weight.size(0)) {}
  /// Entries [first, first + rows of weight) of `vocabulary`; the other slices of `axis` have the rest.
  Projection(at::Tensor slice, std::int64_t first, std::int64_t vocabulary, std::shared_ptr<ModelAxis> axis)
      : weight(std::move(slice)), first(first), vocabulary(vocabulary), axis(std::move(axis)) {}

  at::Device device() const { return weight.device(); }

  at::Tensor weight;  ///< [entries here, hidden]
  at::Tensor bias;    ///< [entries here]; undefined: none
  std::int64_t first = 0;
  std::int64_t vocabulary;
  std::shared_ptr<ModelAxis> axis = std::make_shared<ModelAxis>();
};

}  // namespace polymoe
