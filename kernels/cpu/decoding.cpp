#include "kernels/cpu/decoding.h"

#include <cmath>
#include <limits>

#include "kernels/cpu/clones.h"
#include "kernels/cpu/vector_math.h"

namespace polymoe::kernels {
namespace {

constexpr std::int64_t kLanes = 16;
constexpr float kNothing = -std::numeric_limits<float>::infinity();

// Compilers make of these what vectors the CPU has. They may lie anywhere in memory.
typedef float Floats __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef std::int32_t Words __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

#define POLYMOE_INLINE inline __attribute__((always_inline))

POLYMOE_INLINE void fill(Floats& lanes, float value) {
  for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] = value;
}

// Up to kLanes floats, the lanes behind them filled.
POLYMOE_INLINE void load_some(const float* from, std::int64_t count, float filling, Floats& to) {
  fill(to, filling);
  for (std::int64_t l = 0; l < count; ++l) to[l] = from[l];
}

POLYMOE_INLINE void load(const float* from, Floats& to) { to = *reinterpret_cast<const Floats*>(from); }
POLYMOE_INLINE void store(const Floats& from, float* to) { *reinterpret_cast<Floats*>(to) = from; }

POLYMOE_INLINE float sum_of(const Floats& lanes) {
  float halves[kLanes / 2], quarters[kLanes / 4];
  for (int i = 0; i < kLanes / 2; ++i) halves[i] = lanes[i] + lanes[i + kLanes / 2];
  for (int i = 0; i < kLanes / 4; ++i) quarters[i] = halves[i] + halves[i + kLanes / 4];
  return (quarters[0] + quarters[2]) + (quarters[1] + quarters[3]);
}

POLYMOE_INLINE float dot(const float* a, const float* b, std::int64_t width) {
  Floats sums = {}, x, y;
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    load(a + i, x);
    load(b + i, y);
    sums += x * y;
  }
  if (i < width) {
    load_some(a + i, width - i, 0.0f, x);
    load_some(b + i, width - i, 0.0f, y);
    sums += x * y;
  }
  return sum_of(sums);
}

POLYMOE_INLINE float greatest_of(const float* x, std::int64_t width) {
  Floats greatest, values;
  fill(greatest, kNothing);
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    load(x + i, values);
    greatest = values > greatest ? values : greatest;
  }
  if (i < width) {
    load_some(x + i, width - i, kNothing, values);
    greatest = values > greatest ? values : greatest;
  }
  float result = greatest[0];
  for (std::int64_t l = 1; l < kLanes; ++l) result = greatest[l] > result ? greatest[l] : result;
  return result;
}

// vector_exp() of all lanes.
POLYMOE_INLINE void exponentiate(Floats& x) {
  for (std::int64_t l = 0; l < kLanes; ++l) x[l] = vector_exp(x[l]);
}

// e^(x - greatest), kept in x where kKeep; -> their sum.
template <bool kKeep, typename Float>
POLYMOE_INLINE float exponentials(Float* x, std::int64_t width, float greatest) {
  Floats sums = {}, values;
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    load(x + i, values);
    values -= greatest;
    exponentiate(values);
    sums += values;
    if constexpr (kKeep) store(values, x + i);
  }
  for (std::int64_t l = 0; i + l < width; ++l) {
    const float value = vector_exp(x[i + l] - greatest);
    sums[l] += value;
    if constexpr (kKeep) x[i + l] = value;
  }
  return sum_of(sums);
}

// output = the sum of weights[j] * values[j], of `width` columns from `column` on.
POLYMOE_INLINE void weighted_sum(const float* weights, const CachedRows& rows, std::int64_t column, std::int64_t width,
                                 float* output) {
  std::int64_t c = 0;
  for (; c + 2 * kLanes <= width; c += 2 * kLanes) {  // sums stay in registers
    Floats first = {}, second = {}, values;
    for (std::int64_t j = 0; j < rows.count; ++j) {
      load(rows.values[j] + column + c, values);
      first += weights[j] * values;
      load(rows.values[j] + column + c + kLanes, values);
      second += weights[j] * values;
    }
    store(first, output + c);
    store(second, output + c + kLanes);
  }
  for (; c < width; ++c) {
    float sum = 0.0f;
    for (std::int64_t j = 0; j < rows.count; ++j) sum += weights[j] * rows.values[j][column + c];
    output[c] = sum;
  }
}

}  // namespace

POLYMOE_CPU_CLONES
void attend(const float* query, const CachedRows& rows, std::int64_t heads, std::int64_t head_width, float scale,
            float* scores, float* output) {
  for (std::int64_t head = 0; head < heads; ++head) {
    const std::int64_t column = head * head_width;
    for (std::int64_t j = 0; j < rows.count; ++j) {
      scores[j] = scale * dot(query + column, rows.keys[j] + column, head_width);
    }
    const float total = exponentials<true>(scores, rows.count, greatest_of(scores, rows.count));
    for (std::int64_t j = 0; j < rows.count; ++j) scores[j] /= total;
    weighted_sum(scores, rows, column, head_width, output + column);
  }
}

POLYMOE_CPU_CLONES
void layer_norm(const float* x, std::int64_t rows, std::int64_t width, const float* weight, const float* bias,
                float epsilon, float* y) {
  const std::int64_t whole = width / kLanes * kLanes;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* row = x + r * width;
    Floats sums = {}, squares = {}, values;
    for (std::int64_t i = 0; i < whole; i += kLanes) {
      load(row + i, values);
      sums += values;
    }
    for (std::int64_t i = whole; i < width; ++i) sums[i - whole] += row[i];
    const float mean = sum_of(sums) / static_cast<float>(width);
    for (std::int64_t i = 0; i < whole; i += kLanes) {
      load(row + i, values);
      values -= mean;
      squares += values * values;
    }
    for (std::int64_t i = whole; i < width; ++i) squares[i - whole] += (row[i] - mean) * (row[i] - mean);
    const float scale = 1.0f / std::sqrt(sum_of(squares) / static_cast<float>(width) + epsilon);
    float* out = y + r * width;
    for (std::int64_t i = 0; i < width; ++i) out[i] = (row[i] - mean) * scale * weight[i] + bias[i];
  }
}

POLYMOE_CPU_CLONES
void log_softmax(float* x, std::int64_t width, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    float* row = x + r * width;
    const float greatest = greatest_of(row, width);
    const float normaliser = greatest + std::log(exponentials<false>(static_cast<const float*>(row), width, greatest));
    for (std::int64_t i = 0; i < width; ++i) row[i] -= normaliser;
  }
}

POLYMOE_CPU_CLONES
void softmax(float* x, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = x + r * width;
    const float total = exponentials<true>(row, width, greatest_of(row, width));
    for (std::int64_t i = 0; i < width; ++i) row[i] /= total;
  }
}

POLYMOE_CPU_CLONES
void greatest_sums(const float* x, const float* scores, std::int64_t rows, std::int64_t width, std::int64_t count,
                   float* best, std::int64_t* places) {
  for (std::int64_t i = 0; i < count; ++i) {
    best[i] = kNothing;
    places[i] = 0;
  }
  constexpr std::int64_t kBlock = 128;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* row = x + r * width;
    for (std::int64_t begin = 0; begin < width; begin += kBlock) {
      const std::int64_t end = begin + kBlock < width ? begin + kBlock : width;
      // Nearly all blocks hold nothing great.
      if (!(greatest_of(row + begin, end - begin) + scores[r] > best[count - 1])) continue;
      for (std::int64_t c = begin; c < end; ++c) {
        const float sum = row[c] + scores[r];
        if (!(sum > best[count - 1])) continue;
        std::int64_t rank = count - 1;
        for (; rank > 0 && sum > best[rank - 1]; --rank) {
          best[rank] = best[rank - 1];
          places[rank] = places[rank - 1];
        }
        best[rank] = sum;
        places[rank] = r * width + c;
      }
    }
  }
}

}  // namespace polymoe::kernels
