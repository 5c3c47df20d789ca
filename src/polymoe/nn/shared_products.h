#pragma once

#include <algorithm>
#include <cstdint>

#include "polymoe/kernels/cpu/expert_products.h"
#include "polymoe/tensor/elements.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

/// Whether the products of `x` and weights [outputs, inputs] are those of kernels/cpu/expert_products.h: of float32
/// all; of bfloat16 those of even sizes, unless the CPU has AMX, which LibTorch's products use.
inline bool has_own_products(const at::Tensor& x, std::int64_t outputs, std::int64_t inputs) {
  if (!has_cpu_kernel(x)) return false;
  return x.scalar_type() == at::kFloat || (outputs % 2 == 0 && inputs % 2 == 0 && !kernels::has_amx_bfloat16());
}

/// Spreads the products of `parts` over threads, cut into panels of the results' `width` columns. Part i has the rows
/// [begin[i], begin[i + 1]), each of `of_a_row` products. Calls f(part, first row, rows, first panel, last panel,
/// scratch) for those with rows; `scratch_of(most rows)` says how many floats of scratch a thread needs.
template <typename Scratch, typename Function>
void share_products(const std::int64_t* begin, std::int64_t parts, std::int64_t width, std::int64_t of_a_row,
                    const Scratch& scratch_of, const Function& f) {
  const std::int64_t panels = kernels::panels_of(width);
  std::int64_t most = 0;
  for (std::int64_t i = 0; i < parts; ++i) most = std::max(most, begin[i + 1] - begin[i]);
  if (most == 0) return;
  // A thread is worth waking for a tenth of a millisecond.
  constexpr std::int64_t kProductsOfAThread = 5'000'000;
  const std::int64_t of_a_panel = std::max<std::int64_t>(1, begin[parts] * of_a_row / (parts * panels));
  const std::int64_t grain = std::max<std::int64_t>(1, kProductsOfAThread / of_a_panel);
  at::parallel_for(0, parts * panels, grain, [&](std::int64_t first, std::int64_t last) {
    at::Tensor scratch = at::empty({scratch_of(most)}, at::kFloat);
    for (std::int64_t at = first; at < last;) {
      const std::int64_t i = at / panels, stop = std::min(last, (i + 1) * panels);
      if (begin[i + 1] > begin[i])
        f(i, begin[i], begin[i + 1] - begin[i], at - i * panels, stop - i * panels, scratch.mutable_data_ptr<float>());
      at = stop;
    }
  });
}

}  // namespace polymoe
