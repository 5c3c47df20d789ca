#include "polymoe/loss/cpu_cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/cpu/cross_entropy.h"
#include "polymoe/loss/cross_entropy.h"
#include "polymoe/tensor/elements.h"

namespace polymoe {
namespace {

using kernels::kPanel;

// The memory of one chunk's groups of tokens, used again for each chunk.
template <typename Element>
class Groups {
 public:
  Groups(const kernels::Entries<Element>& entries, const Projection& projection, std::int64_t most)
      : entries_(entries),
        projection_(projection),
        blocks_(kernels::entry_blocks(entries.count)),
        packed_size_(kernels::packed_states_size(entries.hidden)) {
    packed_ = at::empty({most, packed_size_}, at::kFloat);
    logits_ = at::empty({most, kernels::logit_rows(entries.count), kPanel}, at::kFloat);
    of_blocks_ = at::empty({most, blocks_, 2, kPanel}, at::kFloat);
    factors_ = at::empty({2, most, kPanel}, at::kFloat);
  }

  // The losses of `tokens` tokens.
  void find_losses(const Element* states, const std::int64_t* labels, std::int64_t tokens, double smoothing,
                   float* token_nll, float* token_loss) {
    tokens_ = tokens;
    labels_ = labels;
    find_logits(states);
    const at::Tensor highest = find_highest();
    projection_.axis->max_(highest.narrow(0, 0, tokens));
    // What tokens sum over the vocabulary, in one call: the label's logit, all logits, all exponentials.
    sums_ = at::zeros({3, tokens}, at::kFloat);
    find_labels(highest.const_data_ptr<float>());
    find_sums(highest.const_data_ptr<float>());
    projection_.axis->sum_(sums_);

    const auto* sums = sums_.const_data_ptr<float>();
    const auto share = static_cast<float>(smoothing), vocabulary = static_cast<float>(projection_.vocabulary);
    for (std::int64_t t = 0; t < tokens; ++t) {
      const float log_total = std::log(sums[2 * tokens + t]);
      token_nll[t] = log_total - sums[t];
      token_loss[t] = (1.0f - share) * token_nll[t] + share * (log_total - sums[tokens + t] / vocabulary);
    }
  }

  // The gradients of the losses found last, over `normaliser`; those of the weight and the bias (null: none) are added
  // to what is there if `continues`.
  void find_gradients(double smoothing, double normaliser, bool continues, Element* grad_states, float* grad_weight,
                      float* grad_bias) {
    find_factors(smoothing, normaliser);
    const auto label_share = static_cast<float>((1.0 - smoothing) / normaliser);
    auto* const scale = factors_.const_data_ptr<float>();
    auto* const offset = scale + factors_.size(1) * kPanel;
    at::parallel_for(0, blocks_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) {
        for (std::int64_t g = 0; g < count(); ++g) {
          kernels::entry_gradients(entries_, block, packed(g),
                                   {tokens_of(g), scale + g * kPanel, offset + g * kPanel,
                                    own_labels_.const_data_ptr<std::int64_t>() + g * kPanel, label_share},
                                   logits(g), continues || g > 0, grad_weight, grad_bias);
        }
      }
    });
    const std::int64_t panels = kernels::panels_of(entries_.hidden);
    at::parallel_for(0, count() * panels, 1, [&](std::int64_t begin, std::int64_t end) {
      at::Tensor scratch = at::empty({kernels::kStatesGradientScratch}, at::kFloat);
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t g = i / panels;
        kernels::states_gradient(entries_, logits(g), tokens_of(g), i % panels,
                                 grad_states + g * kPanel * entries_.hidden, scratch.mutable_data_ptr<float>());
      }
    });
  }

 private:
  std::int64_t count() const { return kernels::panels_of(tokens_); }
  std::int64_t tokens_of(std::int64_t group) const { return std::min(kPanel, tokens_ - group * kPanel); }
  float* packed(std::int64_t group) const { return packed_.mutable_data_ptr<float>() + group * packed_size_; }
  float* logits(std::int64_t group) const {
    return logits_.mutable_data_ptr<float>() + group * kernels::logit_rows(entries_.count) * kPanel;
  }
  float* of_block(std::int64_t group, std::int64_t block) const {
    return of_blocks_.mutable_data_ptr<float>() + (group * blocks_ + block) * 2 * kPanel;
  }

  // Calls f(group, block) for all of them, shared among threads.
  template <typename Function>
  void for_each_block(const Function& f) const {
    at::parallel_for(0, count() * blocks_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) f(i / blocks_, i % blocks_);
    });
  }

  void find_logits(const Element* states) {
    at::parallel_for(0, count(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t g = begin; g < end; ++g)
        kernels::pack_states(states + g * kPanel * entries_.hidden, tokens_of(g), entries_.hidden, packed(g));
    });
    for_each_block([&](std::int64_t g, std::int64_t block) {
      kernels::entry_logits(entries_, block, packed(g), logits(g), of_block(g, block));
    });
  }

  // [groups * kPanel], which ends with places where no token is.
  at::Tensor find_highest() const {
    at::Tensor highest = at::full({count() * kPanel}, -std::numeric_limits<float>::infinity(), at::kFloat);
    auto* values = highest.mutable_data_ptr<float>();
    for (std::int64_t g = 0; g < count(); ++g) {
      for (std::int64_t block = 0; block < blocks_; ++block) {
        for (std::int64_t t = 0; t < kPanel; ++t)
          values[g * kPanel + t] = std::max(values[g * kPanel + t], of_block(g, block)[t]);
      }
    }
    return highest;
  }

  // The labels as entries of this slice, and their logits, where they are in it.
  void find_labels(const float* highest) {
    own_labels_ = at::empty({tokens_}, at::kLong);
    auto* own = own_labels_.mutable_data_ptr<std::int64_t>();
    auto* found = sums_.mutable_data_ptr<float>();
    for (std::int64_t t = 0; t < tokens_; ++t) {
      own[t] = labels_[t] - projection_.first;
      if (own[t] >= 0 && own[t] < entries_.count)
        found[t] = logits(t / kPanel)[own[t] * kPanel + t % kPanel] - highest[t];
    }
  }

  void find_sums(const float* highest) {
    for_each_block([&](std::int64_t g, std::int64_t block) {
      kernels::entry_sums(entries_.count, block, highest + g * kPanel, logits(g), of_block(g, block),
                          of_block(g, block) + kPanel);
    });
    auto* sums = sums_.mutable_data_ptr<float>();
    for (std::int64_t g = 0; g < count(); ++g) {
      float *of_differences = sums + tokens_ + g * kPanel, *of_exponentials = of_differences + tokens_;
      for (std::int64_t block = 0; block < blocks_; ++block) {
        const float *exponentials = of_block(g, block), *differences = exponentials + kPanel;
        for (std::int64_t t = 0; t < tokens_of(g); ++t) {
          of_differences[t] += differences[t];
          of_exponentials[t] += exponentials[t];
        }
      }
    }
  }

  void find_factors(double smoothing, double normaliser) {
    const auto* totals = sums_.const_data_ptr<float>() + 2 * tokens_;
    const double offset = smoothing / static_cast<double>(projection_.vocabulary) / normaliser;
    auto* scales = factors_.mutable_data_ptr<float>();
    auto* offsets = scales + factors_.size(1) * kPanel;
    for (std::int64_t t = 0; t < count() * kPanel; ++t) {
      const bool is_token = t < tokens_;
      scales[t] = is_token ? static_cast<float>(1.0 / (totals[t] * normaliser)) : 0.0f;
      offsets[t] = is_token ? static_cast<float>(offset) : 0.0f;
    }
  }

  const kernels::Entries<Element> entries_;
  const Projection& projection_;
  const std::int64_t blocks_, packed_size_;
  at::Tensor packed_, logits_;
  at::Tensor of_blocks_;  // [groups, blocks, 2, kPanel]
  at::Tensor factors_;    // [2, groups, kPanel]
  // Of this chunk:
  std::int64_t tokens_ = 0;
  const std::int64_t* labels_ = nullptr;
  at::Tensor own_labels_, sums_;
};

// The losses, and where there is room for it their gradients, of all tokens.
template <typename Element>
void find_all(const at::Tensor& states, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& labels,
              const Projection& projection, double smoothing, double normaliser, const ProjectedLosses& losses) {
  const std::int64_t tokens = states.size(0), hidden = states.size(1);
  // Slices may differ by an entry, but must agree on the chunks.
  const std::int64_t chunk =
      std::min(tokens, tokens_of_chunk(projection.vocabulary / projection.axis->size(), /*on_gpu=*/false));
  Groups<Element> groups(
      {elements<Element>(weight), bias.defined() ? elements<Element>(bias) : nullptr, weight.size(0), hidden},
      projection, kernels::panels_of(chunk));
  for (std::int64_t first = 0; first < tokens; first += chunk) {
    groups.find_losses(elements<Element>(states) + first * hidden, labels.const_data_ptr<std::int64_t>() + first,
                       std::min(chunk, tokens - first), smoothing, losses.token_nll.mutable_data_ptr<float>() + first,
                       losses.token_loss.mutable_data_ptr<float>() + first);
    if (!losses.grad_states.defined()) continue;
    groups.find_gradients(smoothing, normaliser, first > 0,
                          mutable_elements<Element>(losses.grad_states) + first * hidden,
                          losses.grad_weight.mutable_data_ptr<float>(),
                          bias.defined() ? losses.grad_bias.mutable_data_ptr<float>() : nullptr);
  }
}

}  // namespace

bool has_cpu_cross_entropy(const at::Tensor& states) {
  return has_cpu_kernel(states) && (states.scalar_type() == at::kFloat || states.size(1) % 2 == 0);
}

ProjectedLosses cpu_cross_entropy(const at::Tensor& states, const at::Tensor& weight, const at::Tensor& bias,
                                  const at::Tensor& labels, const Projection& projection, double smoothing,
                                  double normaliser, bool want_gradient) {
  const at::Tensor x = states.contiguous(), matrix = weight.contiguous(), wanted = labels.contiguous();
  const at::Tensor offsets = bias.defined() ? bias.contiguous() : bias;
  const std::int64_t tokens = x.size(0);
  ProjectedLosses losses{at::empty({tokens}, at::kFloat), at::empty({tokens}, at::kFloat), {}, {}, {}};
  if (want_gradient) {
    losses.grad_states = at::empty_like(x);
    // The first tokens write them.
    const auto room = [tokens](const at::Tensor& values) {
      return tokens > 0 ? at::empty(values.sizes(), at::kFloat) : at::zeros(values.sizes(), at::kFloat);
    };
    losses.grad_weight = room(matrix);
    if (bias.defined()) losses.grad_bias = room(offsets);
  }
  with_elements(x, [&](auto element) {
    find_all<decltype(element)>(x, matrix, offsets, wanted, projection, smoothing, normaliser, losses);
  });
  return losses;
}

}  // namespace polymoe
