#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/row.h"

/// What each thread of cross_entropy.cu does. A block has a row.
namespace polymoe::kernels::cuda {

/// The threads of a block, whole warps. Few large blocks: more of the rows that are being read are then still in the L2
/// cache when the gradient reads them again.
inline int cross_entropy_threads(std::int64_t entries) { return threads_for_row(entries, 16, 1024); }

/// What all rows share.
struct CrossEntropyFactors {
  CrossEntropyFactors(std::int64_t entries, double smoothing, double gradient_scale)
      : one_over_entries(static_cast<float>(1.0 / static_cast<double>(entries))),
        smoothing(static_cast<float>(smoothing)),
        keep(static_cast<float>(1.0 - smoothing)),
        share(static_cast<float>(smoothing / static_cast<double>(entries))),
        scale(static_cast<float>(gradient_scale)) {}

  float one_over_entries, smoothing, keep, share, scale;
};

/// Sums over some of a row's logits, relative to the highest of them: none of the exponentials exceeds 1.
class SoftmaxPart {
 public:
  template <int kCount>
  POLYMOE_HOST_DEVICE void add(const float (&logits)[kCount]) {
    const float before = highest_, base_before = base();
    for (int j = 0; j < kCount; ++j) highest_ = logits[j] > highest_ ? logits[j] : highest_;
    const float now = base();
    float exponentials = 0.0f, differences = 0.0f;
    for (int j = 0; j < kCount; ++j) {
      exponentials += std::exp(logits[j] - now);
      differences += logits[j] - now;
    }
    exponentials_ = exponentials_ * std::exp(before - now) + exponentials;
    differences_ = differences_ + count_ * (base_before - now) + differences;
    count_ += static_cast<float>(kCount);
  }

  /// -infinity where there are none; passes over nan, which the sums then have.
  POLYMOE_HOST_DEVICE float highest() const { return highest_; }
  /// The sums of exp(l - highest) and of l - highest, for the row's highest logit.
  POLYMOE_HOST_DEVICE float exponentials(float highest) const { return exponentials_ * std::exp(highest_ - highest); }
  POLYMOE_HOST_DEVICE float differences(float highest) const { return differences_ + count_ * (base() - highest); }

 private:
  static constexpr float kNone = -std::numeric_limits<float>::infinity();

  // What the sums are relative to: -infinity minus itself would be nan.
  POLYMOE_HOST_DEVICE float base() const { return highest_ == kNone ? 0.0f : highest_; }

  float highest_ = kNone, exponentials_ = 0.0f, differences_ = 0.0f, count_ = 0.0f;
};

/// Calls f(logits, first) for the thread's logits: those of packs first, first + threads, ... Several packs at a time,
/// so that several loads are under way.
template <int kPack, typename F>
POLYMOE_HOST_DEVICE void each_batch(const float* row, std::int64_t entries, int thread, int threads, const F& f) {
  constexpr int kBatch = kPack == 1 ? 4 : 2;
  const int packs = static_cast<int>(entries / kPack);
  int first = thread;
  for (; first + (kBatch - 1) * threads < packs; first += kBatch * threads) {
    Pack<float, kPack> loaded[kBatch];
    for (int k = 0; k < kBatch; ++k) loaded[k] = load_pack<kPack>(row, first + k * threads);
    float logits[kBatch * kPack];
    for (int j = 0; j < kBatch * kPack; ++j) logits[j] = loaded[j / kPack].values[j % kPack];
    f(logits, first);
  }
  for (; first < packs; first += threads) {
    const Pack<float, kPack> loaded = load_pack<kPack>(row, first);
    f(loaded.values, first);
  }
}

/// First phase.
template <int kPack>
POLYMOE_HOST_DEVICE SoftmaxPart softmax_part(const float* row, std::int64_t entries, int thread, int threads) {
  SoftmaxPart part;
  each_batch<kPack>(row, entries, thread, threads, [&](const auto& logits, int) { part.add(logits); });
  return part;
}

/// The label as a position in the row; -1 where it is none.
POLYMOE_HOST_DEVICE inline int label_column(std::int64_t label, std::int64_t entries) {
  return label >= 0 && label < entries ? static_cast<int>(label) : -1;
}

struct RowLosses {
  float nll, loss;
};
/// From the sums over the row. `label_logit` is nan where the label is none.
POLYMOE_HOST_DEVICE inline RowLosses row_losses(float label_logit, float highest, float exponentials, float differences,
                                                const CrossEntropyFactors& f) {
  const float log_total = std::log(exponentials);
  const float nll = log_total - (label_logit - highest);
  // Without smoothing a logit of -infinity must not count.
  if (f.smoothing == 0.0f) return {nll, nll};
  return {nll, f.keep * nll + f.smoothing * (log_total - differences * f.one_over_entries)};
}

/// Last phase. `gradient` may be `row`.
template <int kPack, typename T>
POLYMOE_HOST_DEVICE void write_gradient(const float* row, std::int64_t entries, int label, float highest,
                                        float exponentials, const CrossEntropyFactors& f, int thread, int threads,
                                        T* gradient) {
  const float inverse = label < 0 ? std::numeric_limits<float>::quiet_NaN() : 1.0f / exponentials;
  each_batch<kPack>(row, entries, thread, threads, [&](const auto& logits, int first) {
    constexpr int kPacks = static_cast<int>(sizeof(logits) / sizeof(float)) / kPack;
    for (int k = 0; k < kPacks; ++k) {
      const int at = first + k * threads;
      Pack<T, kPack> out;
      for (int j = 0; j < kPack; ++j) {
        const float probability = std::exp(logits[k * kPack + j] - highest) * inverse;
        const float target = (at * kPack + j == label ? f.keep : 0.0f) + f.share;
        from_float((probability - target) * f.scale, out.values[j]);
      }
      store_pack(out, gradient, at);
    }
  });
}

}  // namespace polymoe::kernels::cuda
