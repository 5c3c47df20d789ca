#include "polymoe/kernels/cpu/rows.h"

#include <cstring>

#include "polymoe/kernels/cpu/clones.h"

namespace polymoe::kernels {
namespace {

template <typename T>
inline __attribute__((always_inline)) void scale_row(const T* in, float weight, T* out, std::int64_t width) {
  for (std::int64_t c = 0; c < width; ++c) from_float(weight * to_float(in[c]), out[c]);
}

// The sum of the rows of assignments [first, last), a block of columns at a time, which stays in registers.
template <typename T>
inline __attribute__((always_inline)) void sum_rows(const T* input, const float* weights, const std::int64_t* slot_of,
                                                    std::int64_t first, std::int64_t last, T* out, std::int64_t width) {
  constexpr std::int64_t kBlock = 64;
  for (std::int64_t begin = 0; begin < width; begin += kBlock) {
    const std::int64_t count = width - begin < kBlock ? width - begin : kBlock;
    float sums[kBlock] = {};
    for (std::int64_t a = first; a < last; ++a) {
      if (slot_of[a] < 0) continue;
      const T* row = input + slot_of[a] * width + begin;
      const float weight = weights != nullptr ? weights[a] : 1.0f;
      for (std::int64_t c = 0; c < count; ++c) sums[c] += weight * to_float(row[c]);
    }
    for (std::int64_t c = 0; c < count; ++c) from_float(sums[c], out[begin + c]);
  }
}

template <typename T>
inline __attribute__((always_inline)) void combine(const T* input, const float* weights, const std::int64_t* slot_of,
                                                   T* output, std::int64_t width, const TokenRanges& tokens,
                                                   std::int64_t begin, std::int64_t end) {
  for (std::int64_t t = begin; t < end; ++t) {
    T* out = output + t * width;
    const T* rows[2] = {nullptr, nullptr};
    float row_weights[2] = {0.0f, 0.0f};
    int kept = 0;
    const std::int64_t last = tokens.first(t + 1);
    for (std::int64_t a = tokens.first(t); a < last; ++a) {
      if (slot_of[a] < 0) continue;
      if (kept < 2) {
        rows[kept] = input + slot_of[a] * width;
        row_weights[kept] = weights != nullptr ? weights[a] : 1.0f;
      }
      ++kept;
    }
    if (kept == 0) {
      std::memset(out, 0, static_cast<std::size_t>(width) * sizeof(T));
    } else if (kept == 1) {
      scale_row(rows[0], row_weights[0], out, width);
    } else if (kept == 2) {
      for (std::int64_t c = 0; c < width; ++c) {
        from_float(row_weights[0] * to_float(rows[0][c]) + row_weights[1] * to_float(rows[1][c]), out[c]);
      }
    } else {
      sum_rows(input, weights, slot_of, tokens.first(t), last, out, width);
    }
  }
}

template <typename T>
inline __attribute__((always_inline)) float dot(const T* a, const T* b, std::int64_t width) {
  constexpr int kLanes = 16;
  float partial[kLanes] = {};
  std::int64_t c = 0;
  for (; c + kLanes <= width; c += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) partial[lane] += to_float(a[c + lane]) * to_float(b[c + lane]);
  }
  float sum = 0.0f;
  for (const float value : partial) sum += value;
  for (; c < width; ++c) sum += to_float(a[c]) * to_float(b[c]);
  return sum;
}

template <typename T>
inline __attribute__((always_inline)) void combine_backward(const T* grad_output, const T* input, const float* weights,
                                                            const std::int64_t* slot_of, T* grad_input,
                                                            float* grad_weights, std::int64_t width,
                                                            const TokenRanges& tokens, std::int64_t begin,
                                                            std::int64_t end) {
  for (std::int64_t t = begin; t < end; ++t) {
    const T* grad = grad_output + t * width;
    const std::int64_t last = tokens.first(t + 1);
    for (std::int64_t a = tokens.first(t); a < last; ++a) {
      const std::int64_t slot = slot_of[a];
      grad_weights[a] = 0.0f;
      if (slot < 0) continue;
      scale_row(grad, weights[a], grad_input + slot * width, width);
      grad_weights[a] = dot(grad, input + slot * width, width);
    }
  }
}

}  // namespace

void gather_rows(const void* input, void* output, const std::int64_t* index, std::int64_t row_bytes, std::int64_t begin,
                 std::int64_t end) {
  const auto* in = static_cast<const char*>(input);
  auto* out = static_cast<char*>(output);
  for (std::int64_t i = begin; i < end; ++i) {
    std::memcpy(out + i * row_bytes, in + index[i] * row_bytes, static_cast<std::size_t>(row_bytes));
  }
}

template <>
POLYMOE_CPU_CLONES void combine_rows(const float* input, const float* weights, const std::int64_t* slot_of,
                                     float* output, std::int64_t width, const TokenRanges& tokens, std::int64_t begin,
                                     std::int64_t end) {
  combine(input, weights, slot_of, output, width, tokens, begin, end);
}

template <>
POLYMOE_CPU_CLONES void combine_rows(const BFloat16* input, const float* weights, const std::int64_t* slot_of,
                                     BFloat16* output, std::int64_t width, const TokenRanges& tokens,
                                     std::int64_t begin, std::int64_t end) {
  combine(input, weights, slot_of, output, width, tokens, begin, end);
}

template <>
POLYMOE_CPU_CLONES void combine_rows_backward(const float* grad_output, const float* input, const float* weights,
                                              const std::int64_t* slot_of, float* grad_input, float* grad_weights,
                                              std::int64_t width, const TokenRanges& tokens, std::int64_t begin,
                                              std::int64_t end) {
  combine_backward(grad_output, input, weights, slot_of, grad_input, grad_weights, width, tokens, begin, end);
}

template <>
POLYMOE_CPU_CLONES void combine_rows_backward(const BFloat16* grad_output, const BFloat16* input, const float* weights,
                                              const std::int64_t* slot_of, BFloat16* grad_input, float* grad_weights,
                                              std::int64_t width, const TokenRanges& tokens, std::int64_t begin,
                                              std::int64_t end) {
  combine_backward(grad_output, input, weights, slot_of, grad_input, grad_weights, width, tokens, begin, end);
}

}  // namespace polymoe::kernels
