#pragma once

#include <algorithm>
#include <cstdint>

#include "polymoe/kernels/cuda/work.h"

/// For kernels whose warps or blocks have a row each: it is cut into packs of kPack values, and thread t takes packs t,
/// t + threads, ... Within a row positions are int.
namespace polymoe::kernels::cuda {

template <int kPack, typename T>
POLYMOE_HOST_DEVICE Pack<T, kPack> load_pack(const T* row, int pack) {
  return reinterpret_cast<const Pack<T, kPack>*>(row)[pack];
}
template <int kPack, typename T>
POLYMOE_HOST_DEVICE void store_pack(const Pack<T, kPack>& values, T* row, int pack) {
  reinterpret_cast<Pack<T, kPack>*>(row)[pack] = values;
}

/// The threads of a block, whole warps, that take `values` each of a row's `width`; at most `most`.
inline int threads_for_row(std::int64_t width, int values, int most) {
  const std::int64_t warps = (width + values * kWarp - 1) / (values * kWarp);
  return static_cast<int>(std::clamp<std::int64_t>(warps, 1, most / kWarp)) * kWarp;
}

}  // namespace polymoe::kernels::cuda
