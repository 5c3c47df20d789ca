#include "polymoe/plan/activations.h"

#include <algorithm>

#include "polymoe/config/run_options.h"
#include "polymoe/loss/cross_entropy.h"
#include "polymoe/nn/moe/capacity.h"

namespace polymoe {
namespace {

constexpr std::int64_t kIndex = 8;  // bytes

}  // namespace

Activations::Activations(const RunOptions& options, const Degrees& degrees) {
  const ModelOptions& model = options.model;
  const MoeOptions& moe = model.moe;
  element_ = options.train.precision == NumberFormat::kFloat32 ? 4 : 2;
  tokens_ = (options.train.max_tokens + 1) / 2;
  row_ = model.hidden * element_;
  heads_ = row_ / degrees.tensor;
  inner_ = model.ffn * element_ / degrees.tensor;
  // ReLU needs its output alone for backward; the others their input too. Dropout needs another copy.
  const std::int64_t copies = (model.activation == Activation::kRelu ? 1 : 2) + (model.activation_dropout > 0 ? 1 : 0);
  inner_kept_ = copies * inner_;
  moe_ = moe;
  degrees_ = degrees;
  width_ = model.hidden;
  expert_slices_ = options.parallel.expert_slicing == ExpertSlicing::kSliced ? degrees.tensor : 1;
  expert_inner_ = model.ffn * element_ / expert_slices_;
  expert_inner_kept_ = copies * expert_inner_;
  shared_kept_ = model.moe.shared_experts > 0 ? tokens_ * (row_ + model.moe.shared_experts * inner_kept_) : 0;
  on_gpu_ = options.train.device != DeviceKind::kCpu;
  vocabulary_ = (model.vocabulary + degrees.tensor - 1) / degrees.tensor;
}

Activations::Rows Activations::rows_of(std::int64_t experts) const {
  MoeOptions layer = moe_;
  layer.experts = experts;
  const std::int64_t capacity = expert_capacity(layer, tokens_, /*training=*/true, /*update=*/0);
  const std::int64_t all = most_slots(layer, tokens_, /*training=*/true);
  const std::int64_t assigned = assignments(experts);
  Rows rows{};
  rows.slots = expert_slices_ == 1 ? (all + degrees_.tensor - 1) / degrees_.tensor : all;
  if (degrees_.expert > 1) rows.exchanged = (capacity > 0 ? experts * capacity : assigned) / degrees_.tensor;
  // Logits and probabilities; the input again where it is not float32; the slot of each choice, and its token.
  rows.gate = tokens_ * (2 * experts * kFloat + (element_ < kFloat ? width_ * kFloat : 0)) + 2 * assigned * kIndex;
  return rows;
}

// The norm's output, the experts' inputs and outputs, and what lies between.
std::int64_t Activations::feed_forward_kept(std::int64_t experts) const {
  if (experts == 0) return tokens_ * (row_ + inner_kept_);
  const Rows rows = rows_of(experts);
  return tokens_ * row_ + rows.slots * (2 * row_ + expert_inner_kept_) + rows.gate + shared_kept_;
}

std::int64_t Activations::kept(bool decoder, std::int64_t experts) const {
  // Of self-attention: input, the norm's output, queries, keys and values, and the result twice: with padding and
  // without.
  std::int64_t bytes = tokens_ * (2 * row_ + 5 * heads_);
  // Of attention to the source the same, with keys and values of the source.
  if (decoder) bytes += tokens_ * (2 * row_ + 5 * heads_);
  return bytes + tokens_ * row_ + feed_forward_kept(experts);
}

// What the router yields of a layer with so many experts; where experts choose, each keeps all that it chose.
std::int64_t Activations::assignments(std::int64_t experts) const {
  if (moe_.router != RouterKind::kExpertChoice) return moe_.top_k * tokens_;
  MoeOptions layer = moe_;
  layer.experts = experts;
  return most_slots(layer, tokens_, /*training=*/true);
}

std::int64_t Activations::routing(std::int64_t experts) const {
  if (experts == 0) return 0;
  // The experts of the assignments; the plan that follows is no tensor on the CPU, and two on a GPU.
  return (on_gpu_ ? 3 : 1) * assignments(experts) * kIndex;
}

std::int64_t Activations::forward_work(std::int64_t experts) const {
  return experts > 0 ? tokens_ * row_ + exchanged(experts) : tokens_ * (row_ + inner_);
}

std::int64_t Activations::backward_work(std::int64_t experts) const {
  // Gradients of queries, keys and values, apart, stacked, and without padding.
  const std::int64_t attention = tokens_ * (2 * row_ + 9 * heads_);
  const std::int64_t feed_forward = experts > 0
                                        ? tokens_ * 2 * row_ + rows_of(experts).slots * (2 * row_ + 2 * expert_inner_)
                                        : tokens_ * (2 * row_ + 2 * inner_);
  return std::max(attention, feed_forward);
}

std::int64_t Activations::exchanged(std::int64_t experts) const {
  return experts > 0 ? 2 * rows_of(experts).exchanged * row_ : 0;
}

std::int64_t Activations::loss_forward() const {
  const std::int64_t logits = std::min(tokens_of_chunk(vocabulary_, on_gpu_), tokens_) * vocabulary_;
  return 2 * tokens_ * row_ + vocabulary_ * width_ * kFloat +
         logits * (2 * kFloat + (element_ < kFloat ? element_ : 0));
}

std::int64_t Activations::loss_backward() const { return 3 * tokens_ * row_ + 2 * vocabulary_ * width_ * kFloat; }

std::int64_t Activations::outside() const { return 4 * tokens_ * row_; }

}  // namespace polymoe
