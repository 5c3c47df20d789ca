#include "polymoe/comm/reduce.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

// Small enough for the first-level cache, so that each part is read once and the sums never leave it.
constexpr std::int64_t kBlock = 1024;

template <typename T>
void accumulate(T& total, T value, ReduceOp op) {
  if (op == ReduceOp::kSum) {
    total += value;
  } else if constexpr (std::is_floating_point_v<T>) {
    total = value > total || std::isnan(value) ? value : total;
  } else {
    total = std::max(total, value);
  }
}

template <ReduceOp op, typename T, typename Sum>
void reduce(const std::vector<const std::byte*>& parts, std::byte* output, std::int64_t count) {
  std::array<Sum, kBlock> total;
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, count - begin);
    const T* first = reinterpret_cast<const T*>(parts[0]) + begin;
    for (std::int64_t i = 0; i < n; ++i) total[static_cast<std::size_t>(i)] = static_cast<Sum>(first[i]);
    for (std::size_t p = 1; p < parts.size(); ++p) {
      const T* part = reinterpret_cast<const T*>(parts[p]) + begin;
      for (std::int64_t i = 0; i < n; ++i)
        accumulate(total[static_cast<std::size_t>(i)], static_cast<Sum>(part[i]), op);
    }
    T* result = reinterpret_cast<T*>(output) + begin;
    for (std::int64_t i = 0; i < n; ++i) result[i] = static_cast<T>(total[static_cast<std::size_t>(i)]);
  }
}

template <typename T, typename Sum = T>
void reduce(const std::vector<const std::byte*>& parts, std::byte* output, std::int64_t count, ReduceOp op) {
  if (op == ReduceOp::kSum) {
    reduce<ReduceOp::kSum, T, Sum>(parts, output, count);
  } else {
    reduce<ReduceOp::kMax, T, Sum>(parts, output, count);
  }
}

}  // namespace

void reduce_parts(const std::vector<const std::byte*>& parts, std::byte* output, std::int64_t count,
                  c10::ScalarType type, ReduceOp op) {
  switch (type) {
    case c10::kFloat:
      return reduce<float>(parts, output, count, op);
    case c10::kDouble:
      return reduce<double>(parts, output, count, op);
    case c10::kBFloat16:
      return reduce<c10::BFloat16, float>(parts, output, count, op);
    case c10::kHalf:
      return reduce<c10::Half, float>(parts, output, count, op);
    case c10::kLong:
      return reduce<std::int64_t>(parts, output, count, op);
    default:
      fail("cannot reduce values of type {}", c10::toString(type));
  }
}

}  // namespace polymoe
