#include "polymoe/kernels/cuda/dropout.h"

#include "polymoe/kernels/cuda/dropout_work.h"
#include "polymoe/kernels/cuda/launch.h"

namespace polymoe::kernels::cuda {
namespace {

template <typename T>
__global__ void dropout_kernel(DropoutWork<T> work) {
  const std::int64_t items = work.items();
  for (std::int64_t item = thread_of_grid(); item < items; item += threads_of_grid()) dropout_item(work, item);
}

// Whole warps: a row has items for half ones at least, and all lanes of a warp tell what they drew.
template <typename T>
__global__ void dropout_columns_kernel(DropoutWork<T> work) {
  const std::int64_t items = work.items(), items_of_row = mask_items(work.first_column, work.width);
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  for (std::int64_t item = thread_of_grid(); item - lane < items; item += threads_of_grid()) {
    const std::int64_t row = quotient(item, items_of_row), in_row = item - row * items_of_row;
    const bool exists = item < items;
    const PhiloxCounter block =
        mask_block_of_item(exists ? work.row_name(row) : 0, in_row, work.first_column, work.key);
    const std::uint32_t kept =
        kept_columns(lane, [&](int part) { return __ballot_sync(0xFFFFFFFFu, mask_keeps(block, part, work.mask)); });
    if (exists) dropout_columns(work, row, in_row, kept);
  }
}

}  // namespace

template <typename T>
void dropout(const T* input, const T* added, T* output, std::int64_t rows, std::int64_t width,
             const std::int64_t* row_ids, std::int64_t first_row, std::int64_t first_column, double p, PhiloxKey key,
             Stream stream) {
  if (rows == 0 || width == 0) return;
  const DropoutWork<T> work{input, added, output, rows, width, row_ids, first_row, first_column, MaskNumbers(p), key};
  auto kernel = dropout_kernel<T>;
  with_pack<T>(
      width,
      [&](auto count) {
        if (count.value > 1 && in_eights(first_column, width)) kernel = dropout_columns_kernel<T>;
      },
      input, added, output);
  kernel<<<blocks_for(work.items()), kThreads, 0, stream>>>(work);
  check_launch("dropout");
}

template void dropout(const float*, const float*, float*, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t,
                      std::int64_t, double, PhiloxKey, Stream);
template void dropout(const BFloat16*, const BFloat16*, BFloat16*, std::int64_t, std::int64_t, const std::int64_t*,
                      std::int64_t, std::int64_t, double, PhiloxKey, Stream);

}  // namespace polymoe::kernels::cuda
