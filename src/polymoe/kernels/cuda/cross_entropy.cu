#include "polymoe/kernels/cuda/cross_entropy.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "polymoe/kernels/cuda/block.h"
#include "polymoe/kernels/cuda/cross_entropy_work.h"

namespace polymoe::kernels::cuda {
namespace {

// One block per row. `gradient` may be null, or the logits.
template <int kPack, typename T>
__global__ void __launch_bounds__(1024, 2)
    cross_entropy_kernel(const float* logits, const std::int64_t* labels, std::int64_t tokens, std::int64_t entries,
                         CrossEntropyFactors factors, float* token_nll, float* token_loss, T* gradient) {
  // One each: the __syncthreads() of the sums lets the next row write highest_room, and the other way round.
  __shared__ float highest_room[kWarp], sums_room[2][kWarp];
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  for (std::int64_t token = blockIdx.x; token < tokens; token += gridDim.x) {
    const float* const row = logits + token * entries;
    const int label = label_column(labels[token], entries);
    const SoftmaxPart part = softmax_part<kPack>(row, entries, thread, threads);
    const float highest = max_over_block(part.highest(), highest_room);
    // Before the sums: after their __syncthreads() the gradient may overwrite the logits.
    float label_logit = std::numeric_limits<float>::quiet_NaN();
    if (thread == 0 && label >= 0) label_logit = row[label];
    float sums[2] = {part.exponentials(highest), part.differences(highest)};
    sum_over_block(sums, sums_room);
    if (thread == 0) {
      const RowLosses losses = row_losses(label_logit, highest, sums[0], sums[1], factors);
      token_nll[token] = losses.nll;
      token_loss[token] = losses.loss;
    }
    if (gradient == nullptr) continue;
    write_gradient<kPack>(row, entries, label, highest, sums[0], factors, thread, threads, gradient + token * entries);
  }
}

template <typename T>
void launch(const CrossEntropyRows& rows, float* token_nll, float* token_loss, T* gradient, Stream stream) {
  if (rows.tokens == 0) return;
  auto kernel = cross_entropy_kernel<1, T>;
  with_pack<float>(
      rows.entries, [&](auto count) { kernel = cross_entropy_kernel<count.value, T>; }, rows.logits, gradient);
  const auto blocks = static_cast<unsigned>(std::min<std::int64_t>(rows.tokens, 1 << 20));
  kernel<<<blocks, static_cast<unsigned>(cross_entropy_threads(rows.entries)), 0, stream>>>(
      rows.logits, rows.labels, rows.tokens, rows.entries,
      CrossEntropyFactors(rows.entries, rows.smoothing, rows.scale), token_nll, token_loss, gradient);
  check_launch("cross_entropy");
}

}  // namespace

void cross_entropy(const CrossEntropyRows& rows, float* token_nll, float* token_loss, Stream stream) {
  launch<float>(rows, token_nll, token_loss, nullptr, stream);
}
void cross_entropy(const CrossEntropyRows& rows, float* token_nll, float* token_loss, float* gradient, Stream stream) {
  launch(rows, token_nll, token_loss, gradient, stream);
}
void cross_entropy(const CrossEntropyRows& rows, float* token_nll, float* token_loss, BFloat16* gradient,
                   Stream stream) {
  launch(rows, token_nll, token_loss, gradient, stream);
}

}  // namespace polymoe::kernels::cuda
