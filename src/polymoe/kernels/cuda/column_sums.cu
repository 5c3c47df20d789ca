#include "polymoe/kernels/cuda/column_sums.h"

#include "polymoe/kernels/cuda/block_sums.h"

namespace polymoe::kernels::cuda {
namespace {

constexpr int kRowLanes = kThreads / kWarp;

// A block: some rows, which its warps take in turn, and kWarp packs of columns. `partial` [gridDim.y, width] gets the
// sums. Where `active` is null, `grad` is summed as it is.
template <typename T, int kCount>
__global__ void column_sums_kernel(const T* grad, const T* active, T* result, std::int64_t rows, std::int64_t width,
                                   ColumnSumsGrid grid, float* partial) {
  __shared__ float of_warp[kRowLanes][kWarp * kCount];
  const int lane = static_cast<int>(threadIdx.x % kWarp), warp = static_cast<int>(threadIdx.x / kWarp);
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * kWarp + lane) * kCount;
  const std::int64_t begin = grid.first_row(blockIdx.y, rows), end = grid.first_row(blockIdx.y + 1, rows);
  float mine[kCount] = {};
  if (first < width && active == nullptr) {
    sum_rows<T, kCount>(grad, width, first, begin, end, warp, kRowLanes, mine);
  } else if (first < width) {
    sum_relu_rows<T, kCount>(grad, active, result, width, first, begin, end, warp, kRowLanes, mine);
  }
  for (int i = 0; i < kCount; ++i) of_warp[warp][lane * kCount + i] = mine[i];
  __syncthreads();
  for (std::int64_t i = threadIdx.x; i < kWarp * kCount; i += kThreads) {
    const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kWarp * kCount + i;
    if (column >= width) return;
    float sum = 0.0f;
    for (int w = 0; w < kRowLanes; ++w) sum += of_warp[w][i];
    partial[blockIdx.y * width + column] = sum;
  }
}

template <typename T>
void launch(const T* grad, const T* active, T* result, std::int64_t rows, std::int64_t width, T* sums, float* workspace,
            Stream stream) {
  with_pack<T>(
      width,
      [&](auto count) {
        const ColumnSumsGrid grid(rows, width, kWarp * count.value);
        const dim3 blocks(static_cast<unsigned>(grid.across), static_cast<unsigned>(grid.down));
        column_sums_kernel<T, count.value>
            <<<blocks, kThreads, 0, stream>>>(grad, active, result, rows, width, grid, workspace);
        check_launch("column_sums");
        sum_blocks<T>(workspace, grid.down, width, sums, nullptr, stream);
      },
      grad, active, result);
}

}  // namespace

std::int64_t column_sums_workspace(std::int64_t rows, std::int64_t width) {
  // Of the widest packs: then fewer blocks lie side by side, and most below each other.
  constexpr std::int64_t kColumns = kWarp * static_cast<std::int64_t>(16 / sizeof(BFloat16));
  return ColumnSumsGrid(rows, width, kColumns).down * width;
}

template <typename T>
void column_sums(const T* values, std::int64_t rows, std::int64_t width, T* sums, float* workspace, Stream stream) {
  launch<T>(values, nullptr, nullptr, rows, width, sums, workspace, stream);
}

template <typename T>
void relu_backward_sums(const T* grad, const T* active, T* result, std::int64_t rows, std::int64_t width, T* sums,
                        float* workspace, Stream stream) {
  launch(grad, active, result, rows, width, sums, workspace, stream);
}

template void column_sums(const float*, std::int64_t, std::int64_t, float*, float*, Stream);
template void column_sums(const BFloat16*, std::int64_t, std::int64_t, BFloat16*, float*, Stream);
template void relu_backward_sums(const float*, const float*, float*, std::int64_t, std::int64_t, float*, float*,
                                 Stream);
template void relu_backward_sums(const BFloat16*, const BFloat16*, BFloat16*, std::int64_t, std::int64_t, BFloat16*,
                                 float*, Stream);

}  // namespace polymoe::kernels::cuda
