#include "polymoe/kernels/cuda/dropout.h"

#include "polymoe/kernels/cuda/dropout_work.h"
#include "polymoe/kernels/cuda/launch.h"

namespace polymoe::kernels::cuda {
namespace {

template <typename T>
__global__ void dropout_kernel(DropoutWork<T> work) {
  const std::int64_t items = work.rows * mask_items(work.first_column, work.width);
  for (std::int64_t item = thread_of_grid(); item < items; item += threads_of_grid()) dropout_item(work, item);
}

}  // namespace

template <typename T>
void dropout(const T* input, const T* added, T* output, std::int64_t rows, std::int64_t width,
             const std::int64_t* row_ids, std::int64_t first_row, std::int64_t first_column, double p, PhiloxKey key,
             Stream stream) {
  if (rows == 0 || width == 0) return;
  const DropoutWork<T> work{input, added, output, rows, width, row_ids, first_row, first_column, MaskNumbers(p), key};
  dropout_kernel<<<blocks_for(rows * mask_items(first_column, width)), kThreads, 0, stream>>>(work);
  check_launch("dropout");
}

template void dropout(const float*, const float*, float*, std::int64_t, std::int64_t, const std::int64_t*, std::int64_t,
                      std::int64_t, double, PhiloxKey, Stream);
template void dropout(const BFloat16*, const BFloat16*, BFloat16*, std::int64_t, std::int64_t, const std::int64_t*,
                      std::int64_t, std::int64_t, double, PhiloxKey, Stream);

}  // namespace polymoe::kernels::cuda
