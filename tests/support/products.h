#pragma once

#include <cstdint>
#include <vector>

#include "polymoe/base/random.h"
#include "polymoe/kernels/cpu/packed_product.h"

namespace polymoe::kernels {

/// Numbers from -1 to 1 that depend on `place` alone.
inline std::vector<float> numbers(std::int64_t count, const char* place) {
  const RandomStream stream(5, fnv1a(place), 0, 0);
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(stream.uniform(static_cast<std::uint64_t>(i))) * 2.0f - 1.0f);
  }
  return values;
}

/// What products can be computed with here.
inline std::vector<Vectors> all_vectors() {
  std::vector<Vectors> all;
  for (const Vectors v : {Vectors::kPlain, Vectors::kAvx2, Vectors::kAvx512, Vectors::kAvx512Vnni}) {
    if (v <= best_vectors()) all.push_back(v);
  }
  return all;
}

}  // namespace polymoe::kernels
