#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/row.h"

/// What each thread of layer_norm.cu does. It holds the first few of its packs of a row in registers between the passes
/// over the row, and reads what goes beyond them again.
namespace polymoe::kernels::cuda {

/// float32 values beside a pack of BFloat16 values take more than one load of 16 bytes.
template <int kCount>
POLYMOE_HOST_DEVICE void load_floats(const float* from, float (&to)[kCount]) {
  constexpr int kPart = kCount < 4 ? kCount : 4;
  for (int k = 0; k < kCount / kPart; ++k) {
    const Pack<float, kPart> part = load_pack<kPart>(from, k);
    for (int j = 0; j < kPart; ++j) to[k * kPart + j] = part.values[j];
  }
}

/// A thread's part of a row on the way forward, of which it holds kHeld packs.
template <typename T, int kPack, int kHeld>
class LayerNormPart {
 public:
  POLYMOE_HOST_DEVICE LayerNormPart(const T* row, std::int64_t width, int thread, int threads)
      : row_(row), packs_(static_cast<int>(width / kPack)), thread_(thread), threads_(threads) {
    for (int k = 0; k < kHeld; ++k) {
      held_[k] = {};
      if (thread + k * threads < packs_) held_[k] = load_pack<kPack>(row, thread + k * threads);
    }
  }

  POLYMOE_HOST_DEVICE float sum() const {
    float sum = 0.0f;
    each([&](const Pack<T, kPack>& x, int) {
      for (int j = 0; j < kPack; ++j) sum += to_float(x.values[j]);
    });
    return sum;
  }

  POLYMOE_HOST_DEVICE float squares(float mean) const {
    float sum = 0.0f;
    each([&](const Pack<T, kPack>& x, int) {
      for (int j = 0; j < kPack; ++j) {
        const float difference = to_float(x.values[j]) - mean;
        sum += difference * difference;
      }
    });
    return sum;
  }

  POLYMOE_HOST_DEVICE void write(const float* weight, const float* bias, float mean, float rstd, T* y) const {
    each([&](const Pack<T, kPack>& x, int at) {
      float weights[kPack], biases[kPack];
      load_floats(weight + at * kPack, weights);
      load_floats(bias + at * kPack, biases);
      Pack<T, kPack> out;
      for (int j = 0; j < kPack; ++j) {
        from_float((to_float(x.values[j]) - mean) * rstd * weights[j] + biases[j], out.values[j]);
      }
      store_pack(out, y, at);
    });
  }

 private:
  template <typename F>
  POLYMOE_HOST_DEVICE void each(const F& f) const {
    for (int k = 0; k < kHeld; ++k) {
      if (thread_ + k * threads_ < packs_) f(held_[k], thread_ + k * threads_);
    }
    for (int at = thread_ + kHeld * threads_; at < packs_; at += threads_) f(load_pack<kPack>(row_, at), at);
  }

  const T* row_;
  int packs_, thread_, threads_;
  Pack<T, kPack> held_[kHeld];
};

/// A row is a warp's where the warp's threads hold it with so many packs each. Wider ones are a block's, whose threads
/// hold few values each: several blocks then fit on a multiprocessor, and one loads while another waits for its sums.
constexpr int kHeldOfWarp = 8;
template <int kPack>
constexpr int kHeldOfBlock = 16 / kPack;
constexpr int kMostThreadsOfRow = 512;

template <int kPack>
constexpr bool warp_holds_row(std::int64_t width) {
  return width <= std::int64_t{kWarp} * kPack * kHeldOfWarp;
}

/// 1 / sqrt(variance + epsilon), from the sum of squares.
POLYMOE_HOST_DEVICE inline float layer_norm_rstd(float squares, std::int64_t width, float epsilon) {
  return 1.0f / std::sqrt(squares / static_cast<float>(width) + epsilon);
}

/// The way back: a block takes every blocks-th row and keeps the sums over its rows.
struct LayerNormBackwardGrid {
  static constexpr int kColumns = 8;                        // whose sums a thread holds
  static constexpr std::int64_t kWidest = 1024 * kColumns;  // that the largest block holds
  static constexpr std::int64_t kMostThreads = 132 * 1024;  // what an H100 runs at once with 64 registers each
  static constexpr std::int64_t kFewestRows = 8;            // of a block: each costs two rows of float32 sums

  LayerNormBackwardGrid(std::int64_t rows, std::int64_t width)
      : threads(threads_for_row(width, kColumns, 1024)),
        blocks(std::clamp<std::int64_t>((rows + kFewestRows - 1) / kFewestRows, 0, kMostThreads / threads)) {}

  int threads;  // of a block
  std::int64_t blocks;
};

/// A thread's columns of a block's rows on the way back. Packs of several values are all held, which saves registers:
/// rows wider than LayerNormBackwardGrid::kWidest go one value at a time.
template <typename T, int kPack>
class LayerNormColumns {
 public:
  static constexpr int kHeld = LayerNormBackwardGrid::kColumns / kPack;  // packs

  /// `weight_sums` and `bias_sums` [width] are the block's part of the workspace.
  POLYMOE_HOST_DEVICE LayerNormColumns(const float* weight, float* weight_sums, float* bias_sums, std::int64_t width,
                                       int thread, int threads)
      : weight_(weight),
        weight_sums_(weight_sums),
        bias_sums_(bias_sums),
        packs_(static_cast<int>(width / kPack)),
        thread_(thread),
        threads_(threads) {
    for (int k = 0; k < kHeld; ++k) {
      for (int j = 0; j < kPack; ++j) held_weight_[k][j] = held_weight_sums_[k][j] = held_bias_sums_[k][j] = 0.0f;
      if (thread + k * threads < packs_) load_floats(weight + (thread + k * threads) * kPack, held_weight_[k]);
    }
    for (int at = thread + kHeld * threads; kPack == 1 && at < packs_; at += threads) {
      for (int j = 0; j < kPack; ++j) weight_sums[at * kPack + j] = bias_sums[at * kPack + j] = 0.0f;
    }
  }

  /// First phase of a row: adds to the sums over rows; `sums` are this thread's part of sum(g) and sum(g * x^).
  POLYMOE_HOST_DEVICE void read(const T* grad_y, const T* x, float mean, float rstd, float (&sums)[2]) {
    for (int k = 0; k < kHeld; ++k) {
      held_grad_[k] = held_x_[k] = {};
      if (thread_ + k * threads_ < packs_) {
        held_grad_[k] = load_pack<kPack>(grad_y, thread_ + k * threads_);
        held_x_[k] = load_pack<kPack>(x, thread_ + k * threads_);
      }
    }
    sums[0] = sums[1] = 0.0f;
    const auto add = [&](const Pack<T, kPack>& grads, const Pack<T, kPack>& xs, const float* weights,
                         float* weight_sums, float* bias_sums) {
      for (int j = 0; j < kPack; ++j) {
        const float grad = to_float(grads.values[j]), normal = (to_float(xs.values[j]) - mean) * rstd;
        weight_sums[j] += grad * normal;
        bias_sums[j] += grad;
        sums[0] += grad * weights[j];
        sums[1] += grad * weights[j] * normal;
      }
    };
    for (int k = 0; k < kHeld; ++k) {
      if (thread_ + k * threads_ >= packs_) continue;
      add(held_grad_[k], held_x_[k], held_weight_[k], held_weight_sums_[k], held_bias_sums_[k]);
    }
    for (int at = thread_ + kHeld * threads_; kPack == 1 && at < packs_; at += threads_) {
      add(load_pack<kPack>(grad_y, at), load_pack<kPack>(x, at), weight_ + at * kPack, weight_sums_ + at * kPack,
          bias_sums_ + at * kPack);
    }
  }

  /// Second phase, with the means of g and g * x^ over the row. `added` may be null.
  POLYMOE_HOST_DEVICE void write(const T* grad_y, const T* x, float mean, float rstd, const float (&means)[2],
                                 const T* added, T* grad_x) const {
    const auto put = [&](const Pack<T, kPack>& grads, const Pack<T, kPack>& xs, const float* weights, int at) {
      const Pack<T, kPack> plus = added != nullptr ? load_pack<kPack>(added, at) : Pack<T, kPack>{};
      Pack<T, kPack> out;
      for (int j = 0; j < kPack; ++j) {
        const float normal = (to_float(xs.values[j]) - mean) * rstd;
        const float grad = rstd * (to_float(grads.values[j]) * weights[j] - means[0] - normal * means[1]);
        from_float(added != nullptr ? to_float(plus.values[j]) + grad : grad, out.values[j]);
      }
      store_pack(out, grad_x, at);
    };
    for (int k = 0; k < kHeld; ++k) {
      const int at = thread_ + k * threads_;
      if (at < packs_) put(held_grad_[k], held_x_[k], held_weight_[k], at);
    }
    for (int at = thread_ + kHeld * threads_; kPack == 1 && at < packs_; at += threads_) {
      put(load_pack<kPack>(grad_y, at), load_pack<kPack>(x, at), weight_ + at * kPack, at);
    }
  }

  /// After the last row: what was held goes to the workspace, where the rest already is.
  POLYMOE_HOST_DEVICE void finish() const {
    for (int k = 0; k < kHeld; ++k) {
      const int at = thread_ + k * threads_;
      if (at >= packs_) continue;
      for (int j = 0; j < kPack; ++j) {
        weight_sums_[at * kPack + j] = held_weight_sums_[k][j];
        bias_sums_[at * kPack + j] = held_bias_sums_[k][j];
      }
    }
  }

 private:
  const float* weight_;
  float *weight_sums_, *bias_sums_;
  int packs_, thread_, threads_;
  float held_weight_[kHeld][kPack], held_weight_sums_[kHeld][kPack], held_bias_sums_[kHeld][kPack];
  Pack<T, kPack> held_grad_[kHeld], held_x_[kHeld];
};

}  // namespace polymoe::kernels::cuda
