#include "polymoe/kernels/cuda/layer_norm.h"

#include <algorithm>
#include <cstdint>

#include "polymoe/kernels/cuda/block.h"
#include "polymoe/kernels/cuda/block_sums.h"
#include "polymoe/kernels/cuda/layer_norm_work.h"

namespace polymoe::kernels::cuda {
namespace {

// One warp per row, or one block per row.
template <typename T, int kPack, bool kBlockPerRow>
__global__ void __launch_bounds__(kBlockPerRow ? kMostThreadsOfRow : kThreads)
    layer_norm_kernel(const T* x, const float* weight, const float* bias, std::int64_t rows, std::int64_t width,
                      float epsilon, T* y, float* mean, float* rstd) {
  // One for each sum: the __syncthreads() of the second lets the next row write the first's, and the other way round.
  __shared__ float sum_room[1][kWarp], squares_room[1][kWarp];
  constexpr int kHeld = kBlockPerRow ? kHeldOfBlock<kPack> : kHeldOfWarp;
  const int threads = kBlockPerRow ? static_cast<int>(blockDim.x) : kWarp;
  const int thread = static_cast<int>(threadIdx.x) % threads;
  const std::int64_t team = thread_of_grid() / threads, teams = threads_of_grid() / threads;
  for (std::int64_t row = team; row < rows; row += teams) {
    const LayerNormPart<T, kPack, kHeld> part(x + row * width, width, thread, threads);
    float total[1] = {part.sum()};
    if constexpr (kBlockPerRow) {
      sum_over_block(total, sum_room);
    } else {
      total[0] = sum_over_warp(total[0]);
    }
    const float row_mean = total[0] / static_cast<float>(width);
    total[0] = part.squares(row_mean);
    if constexpr (kBlockPerRow) {
      sum_over_block(total, squares_room);
    } else {
      total[0] = sum_over_warp(total[0]);
    }
    const float row_rstd = layer_norm_rstd(total[0], width, epsilon);
    if (thread == 0) {
      mean[row] = row_mean;
      rstd[row] = row_rstd;
    }
    part.write(weight, bias, row_mean, row_rstd, y + row * width);
  }
}

template <typename T, int kPack>
void launch_forward(const T* x, const float* weight, const float* bias, std::int64_t rows, std::int64_t width,
                    float epsilon, T* y, float* mean, float* rstd, Stream stream) {
  if (warp_holds_row<kPack>(width)) {
    layer_norm_kernel<T, kPack, false>
        <<<blocks_for(rows * kWarp), kThreads, 0, stream>>>(x, weight, bias, rows, width, epsilon, y, mean, rstd);
  } else {
    const int threads = threads_for_row(width, kPack * kHeldOfBlock<kPack>, kMostThreadsOfRow);
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>(rows, 132 * 32));
    layer_norm_kernel<T, kPack, true>
        <<<blocks, static_cast<unsigned>(threads), 0, stream>>>(x, weight, bias, rows, width, epsilon, y, mean, rstd);
  }
  check_launch("layer_norm");
}

template <typename T>
void forward(const T* x, const float* weight, const float* bias, std::int64_t rows, std::int64_t width, float epsilon,
             T* y, float* mean, float* rstd, Stream stream) {
  if (rows == 0) return;
  with_pack<T>(
      width,
      [&](auto count) { launch_forward<T, count.value>(x, weight, bias, rows, width, epsilon, y, mean, rstd, stream); },
      x, y, weight, bias);
}

// `partial` [2, blocks, width] gets the blocks' sums for grad_weight and grad_bias.
template <typename T, int kPack>
__global__ void __launch_bounds__(1024)
    layer_norm_backward_kernel(const T* grad_y, const T* x, const float* mean, const float* rstd, const float* weight,
                               std::int64_t rows, std::int64_t width, const T* added, T* grad_x, float* partial) {
  // Two, which rows use in turn: the next row's __syncthreads() lets the row after it write what this row reads.
  __shared__ float room[2][2][kWarp];
  float* const weight_sums = partial + blockIdx.x * width;
  float* const bias_sums = weight_sums + gridDim.x * width;
  LayerNormColumns<T, kPack> columns(weight, weight_sums, bias_sums, width, static_cast<int>(threadIdx.x),
                                     static_cast<int>(blockDim.x));
  int turn = 0;
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x, turn ^= 1) {
    const T* const grad_row = grad_y + row * width;
    const T* const x_row = x + row * width;
    const float row_mean = mean[row], row_rstd = rstd[row];
    float sums[2];
    columns.read(grad_row, x_row, row_mean, row_rstd, sums);
    if (grad_x == nullptr) continue;
    sum_over_block(sums, room[turn]);
    const float means[2] = {sums[0] / static_cast<float>(width), sums[1] / static_cast<float>(width)};
    columns.write(grad_row, x_row, row_mean, row_rstd, means, added != nullptr ? added + row * width : nullptr,
                  grad_x + row * width);
  }
  columns.finish();
}

template <typename T>
void backward(const T* grad_y, const T* x, const float* mean, const float* rstd, const float* weight, std::int64_t rows,
              std::int64_t width, const T* added, T* grad_x, float* grad_weight, float* grad_bias, float* workspace,
              Stream stream) {
  const LayerNormBackwardGrid grid(rows, width);
  if (rows > 0) {
    auto kernel = layer_norm_backward_kernel<T, 1>;
    if (width <= LayerNormBackwardGrid::kWidest) {
      with_pack<T>(
          width, [&](auto count) { kernel = layer_norm_backward_kernel<T, count.value>; }, grad_y, x, weight, added,
          grad_x);
    }
    kernel<<<static_cast<unsigned>(grid.blocks), static_cast<unsigned>(grid.threads), 0, stream>>>(
        grad_y, x, mean, rstd, weight, rows, width, added, grad_x, workspace);
    check_launch("layer_norm_backward");
  }
  sum_blocks(workspace, grid.blocks, width, grad_weight, grad_bias, stream);
}

}  // namespace

void layer_norm(const float* x, const float* weight, const float* bias, std::int64_t rows, std::int64_t width,
                float epsilon, float* y, float* mean, float* rstd, Stream stream) {
  forward(x, weight, bias, rows, width, epsilon, y, mean, rstd, stream);
}
void layer_norm(const BFloat16* x, const float* weight, const float* bias, std::int64_t rows, std::int64_t width,
                float epsilon, BFloat16* y, float* mean, float* rstd, Stream stream) {
  forward(x, weight, bias, rows, width, epsilon, y, mean, rstd, stream);
}

std::int64_t layer_norm_workspace(std::int64_t rows, std::int64_t width) {
  return 2 * LayerNormBackwardGrid(rows, width).blocks * width;
}

void layer_norm_backward(const float* grad_y, const float* x, const float* mean, const float* rstd, const float* weight,
                         std::int64_t rows, std::int64_t width, const float* added, float* grad_x, float* grad_weight,
                         float* grad_bias, float* workspace, Stream stream) {
  backward(grad_y, x, mean, rstd, weight, rows, width, added, grad_x, grad_weight, grad_bias, workspace, stream);
}
void layer_norm_backward(const BFloat16* grad_y, const BFloat16* x, const float* mean, const float* rstd,
                         const float* weight, std::int64_t rows, std::int64_t width, const BFloat16* added,
                         BFloat16* grad_x, float* grad_weight, float* grad_bias, float* workspace, Stream stream) {
  backward(grad_y, x, mean, rstd, weight, rows, width, added, grad_x, grad_weight, grad_bias, workspace, stream);
}

}  // namespace polymoe::kernels::cuda
