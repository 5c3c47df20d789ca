#pragma once

#include <cstddef>
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

/// Such numbers as elements of a kernel's type.
template <typename Element>
std::vector<Element> elements_of(const std::vector<float>& values) {
  std::vector<Element> elements(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) from_float(values[i], elements[i]);
  return elements;
}
template <typename Element>
std::vector<float> floats_of(const std::vector<Element>& elements) {
  std::vector<float> values;
  for (const Element element : elements) values.push_back(to_float(element));
  return values;
}

/// The most by which rounding to Element changes a value, over it.
template <typename Element>
constexpr double kRounding = sizeof(Element) == sizeof(float) ? 0.0 : 1.0 / 256;

/// What products can be computed with here.
inline std::vector<Vectors> all_vectors() {
  std::vector<Vectors> all;
  for (const Vectors v :
       {Vectors::kPlain, Vectors::kAvx2, Vectors::kAvx512, Vectors::kAvx512Vnni, Vectors::kAvx512Bfloat16}) {
    if (v <= best_vectors()) all.push_back(v);
  }
  return all;
}

}  // namespace polymoe::kernels
