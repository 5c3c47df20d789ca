#include "polymoe/kernels/cuda/segments.h"

#include "polymoe/kernels/cuda/column_sums_work.h"
#include "polymoe/kernels/cuda/launch.h"
#include "polymoe/kernels/cuda/segments_work.h"

namespace polymoe::kernels::cuda {
namespace {

__global__ void make_segments_kernel(const std::int32_t* expert_end, std::int64_t experts, std::int64_t packed_key,
                                     Segment* table) {
  for (std::int64_t e = thread_of_grid(); e < experts; e += threads_of_grid()) {
    make_segment(expert_end, e, packed_key, table);
  }
}

template <typename T, int kCount>
__global__ void add_bias_kernel(T* values, const T* bias, T* active, Activation activation, std::int64_t rows,
                                std::int64_t width, Segments segments) {
  const std::int64_t packs = width / kCount, items = rows * packs;
  for (std::int64_t item = thread_of_grid(); item < items; item += threads_of_grid()) {
    const std::int64_t row = quotient(item, packs);
    add_bias_elements<T, kCount>(values, bias, active, activation, width, segments, row, (item - row * packs) * kCount);
  }
}

template <typename T>
__global__ void segment_dropout_kernel(T* values, std::int64_t rows, std::int64_t width, std::int64_t first_column,
                                       MaskNumbers mask, Segments segments) {
  const std::int64_t items_of_row = mask_items(first_column, width), items = rows * items_of_row;
  for (std::int64_t item = thread_of_grid(); item < items; item += threads_of_grid()) {
    segment_dropout_item(values, width, first_column, mask, segments, item / items_of_row, item % items_of_row);
  }
}

// As dropout_columns_kernel() of dropout.cu.
template <typename T>
__global__ void segment_dropout_columns_kernel(T* values, std::int64_t rows, std::int64_t width,
                                               std::int64_t first_column, MaskNumbers mask, Segments segments) {
  const std::int64_t items_of_row = mask_items(first_column, width), items = rows * items_of_row;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  const DropoutWork<T> work{values, nullptr, values, rows, width, nullptr, 0, first_column, mask, {}};
  for (std::int64_t item = thread_of_grid(); item - lane < items; item += threads_of_grid()) {
    const std::int64_t row = quotient(item, items_of_row), in_row = item - row * items_of_row;
    const RowPlace place = item < items ? place_of_row(segments, row) : RowPlace{};
    const PhiloxCounter block = segment_block(place, in_row, first_column);
    const std::uint32_t kept =
        kept_columns(lane, [&](int part) { return __ballot_sync(0xFFFFFFFFu, mask_keeps(block, part, mask)); });
    if (place.line != nullptr) dropout_columns(work, row, in_row, kept);
  }
}

constexpr int kRowLanes = kThreads / kWarp;

// A block: one expert, kWarp packs of columns. Its warps take the rows in turn.
template <typename T, int kCount>
__global__ void sum_by_expert_kernel(const T* values, const std::int32_t* expert_end, std::int64_t width, T* sums) {
  __shared__ float partial[kRowLanes][kWarp * kCount];
  const std::int64_t expert = blockIdx.y, begin = expert > 0 ? expert_end[expert - 1] : 0, end = expert_end[expert];
  const int lane = static_cast<int>(threadIdx.x % kWarp), warp = static_cast<int>(threadIdx.x / kWarp);
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * kWarp + lane) * kCount;
  float mine[kCount] = {};
  if (first < width) sum_rows<T, kCount>(values, width, first, begin, end, warp, kRowLanes, mine);
  for (int i = 0; i < kCount; ++i) partial[warp][lane * kCount + i] = mine[i];
  __syncthreads();
  if (warp > 0 || first >= width) return;
  Pack<T, kCount> out;
  for (int i = 0; i < kCount; ++i) {
    float sum = 0.0f;
    for (int w = 0; w < kRowLanes; ++w) sum += partial[w][lane * kCount + i];
    from_float(sum, out.values[i]);
  }
  *reinterpret_cast<Pack<T, kCount>*>(sums + expert * width + first) = out;
}

}  // namespace

void make_segments(const std::int32_t* expert_end, std::int64_t experts, std::int64_t packed_key, Segment* table,
                   Stream stream) {
  make_segments_kernel<<<blocks_for(experts), kThreads, 0, stream>>>(expert_end, experts, packed_key, table);
  check_launch("make_segments");
}

template <typename T>
void add_segment_bias(T* values, const T* bias, T* active, Activation activation, std::int64_t rows, std::int64_t width,
                      const Segments& segments, Stream stream) {
  if (rows == 0) return;
  with_pack<T>(
      width,
      [&](auto count) {
        add_bias_kernel<T, count.value><<<blocks_for(rows * width / count.value), kThreads, 0, stream>>>(
            values, bias, active, activation, rows, width, segments);
      },
      values, bias, active);
  check_launch("add_segment_bias");
}

template <typename T>
void segment_dropout(T* values, std::int64_t rows, std::int64_t width, std::int64_t first_column, double p,
                     const Segments& segments, Stream stream) {
  if (rows == 0) return;
  auto kernel = segment_dropout_kernel<T>;
  with_pack<T>(
      width,
      [&](auto count) {
        if (count.value > 1 && in_eights(first_column, width)) kernel = segment_dropout_columns_kernel<T>;
      },
      values);
  kernel<<<blocks_for(rows * mask_items(first_column, width)), kThreads, 0, stream>>>(values, rows, width, first_column,
                                                                                      MaskNumbers(p), segments);
  check_launch("segment_dropout");
}

template <typename T>
void sum_by_expert(const T* values, const std::int32_t* expert_end, std::int64_t experts, std::int64_t width, T* sums,
                   Stream stream) {
  with_pack<T>(
      width,
      [&](auto count) {
        const std::int64_t columns_of_block = kWarp * count.value;
        const dim3 grid(static_cast<unsigned>((width + columns_of_block - 1) / columns_of_block),
                        static_cast<unsigned>(experts));
        sum_by_expert_kernel<T, count.value><<<grid, kThreads, 0, stream>>>(values, expert_end, width, sums);
      },
      values, sums);
  check_launch("sum_by_expert");
}

template void add_segment_bias(float*, const float*, float*, Activation, std::int64_t, std::int64_t, const Segments&,
                               Stream);
template void add_segment_bias(BFloat16*, const BFloat16*, BFloat16*, Activation, std::int64_t, std::int64_t,
                               const Segments&, Stream);
template void segment_dropout(float*, std::int64_t, std::int64_t, std::int64_t, double, const Segments&, Stream);
template void segment_dropout(BFloat16*, std::int64_t, std::int64_t, std::int64_t, double, const Segments&, Stream);
template void sum_by_expert(const float*, const std::int32_t*, std::int64_t, std::int64_t, float*, Stream);
template void sum_by_expert(const BFloat16*, const std::int32_t*, std::int64_t, std::int64_t, BFloat16*, Stream);

}  // namespace polymoe::kernels::cuda
