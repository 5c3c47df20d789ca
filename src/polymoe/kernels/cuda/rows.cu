#include "polymoe/kernels/cuda/rows.h"

#include "polymoe/kernels/cuda/launch.h"
#include "polymoe/kernels/cuda/rows_work.h"

namespace polymoe::kernels::cuda {
namespace {

template <typename T, int kCount>
__global__ void combine_kernel(const T* input, const float* weights, const std::int64_t* slot_of, T* output,
                               std::int64_t width, TokenRanges tokens) {
  const std::int64_t packs = width / kCount, items = tokens.tokens * packs;
  for (std::int64_t item = thread_of_grid(); item < items; item += threads_of_grid()) {
    const std::int64_t token = quotient(item, packs);
    combine_elements<T, kCount>(input, weights, slot_of, output, width, tokens, token, (item - token * packs) * kCount);
  }
}

// One warp for an assignment.
template <typename T, int kCount>
__global__ void combine_backward_kernel(const T* grad_output, const T* input, const float* weights,
                                        const std::int64_t* slot_of, T* grad_input, float* grad_weights,
                                        std::int64_t width, TokenRanges tokens) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  for (std::int64_t a = thread_of_grid() / kWarp; a < tokens.assignments; a += threads_of_grid() / kWarp) {
    const std::int64_t slot = slot_of[a];
    float product = 0.0f;
    if (slot >= 0) {
      product =
          sum_over_warp(combine_gradient_lane<T, kCount>(grad_output + tokens.token_of(a) * width, input + slot * width,
                                                         weights[a], grad_input + slot * width, width, lane));
    }
    if (lane == 0) grad_weights[a] = product;
  }
}

}  // namespace

template <typename T>
void combine_rows(const T* input, const float* weights, const std::int64_t* slot_of, T* output, std::int64_t width,
                  const TokenRanges& tokens, Stream stream) {
  if (tokens.tokens == 0) return;
  with_pack<T>(
      width,
      [&](auto count) {
        combine_kernel<T, count.value><<<blocks_for(tokens.tokens * width / count.value), kThreads, 0, stream>>>(
            input, weights, slot_of, output, width, tokens);
      },
      input, output);
  check_launch("combine_rows");
}

template <typename T>
void combine_rows_backward(const T* grad_output, const T* input, const float* weights, const std::int64_t* slot_of,
                           T* grad_input, float* grad_weights, std::int64_t width, const TokenRanges& tokens,
                           Stream stream) {
  if (tokens.assignments == 0) return;
  with_pack<T>(
      width,
      [&](auto count) {
        combine_backward_kernel<T, count.value><<<blocks_for(tokens.assignments * kWarp), kThreads, 0, stream>>>(
            grad_output, input, weights, slot_of, grad_input, grad_weights, width, tokens);
      },
      grad_output, input, grad_input);
  check_launch("combine_rows_backward");
}

template void combine_rows(const float*, const float*, const std::int64_t*, float*, std::int64_t, const TokenRanges&,
                           Stream);
template void combine_rows(const BFloat16*, const float*, const std::int64_t*, BFloat16*, std::int64_t,
                           const TokenRanges&, Stream);
template void combine_rows_backward(const float*, const float*, const float*, const std::int64_t*, float*, float*,
                                    std::int64_t, const TokenRanges&, Stream);
template void combine_rows_backward(const BFloat16*, const BFloat16*, const float*, const std::int64_t*, BFloat16*,
                                    float*, std::int64_t, const TokenRanges&, Stream);

}  // namespace polymoe::kernels::cuda
