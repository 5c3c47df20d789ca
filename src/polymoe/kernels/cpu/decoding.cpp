#include "polymoe/kernels/cpu/decoding.h"

#include <cmath>
#include <limits>

#include "polymoe/kernels/cpu/clones.h"
#include "polymoe/kernels/cpu/lanes.h"
#include "polymoe/kernels/cpu/vector_math.h"

namespace polymoe::kernels {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

// vector_exp() of all lanes.
POLYMOE_INLINE void exponentiate(Floats& x) {
  for (int l = 0; l < kLanes; ++l) x[l] = vector_exp(x[l]);
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

// The sums of the lanes of four vectors.
POLYMOE_INLINE void sums_of(const Floats (&lanes)[4], float* sums) {
  typedef float Quarter __attribute__((vector_size(16), aligned(4), may_alias));
  Quarter quarters[4];
  for (int i = 0; i < 4; ++i) {
    const auto* parts = reinterpret_cast<const Quarter*>(&lanes[i]);
    quarters[i] = (parts[0] + parts[2]) + (parts[1] + parts[3]);
  }
  const Quarter first = __builtin_shufflevector(quarters[0], quarters[1], 0, 2, 4, 6) +
                        __builtin_shufflevector(quarters[0], quarters[1], 1, 3, 5, 7);
  const Quarter second = __builtin_shufflevector(quarters[2], quarters[3], 0, 2, 4, 6) +
                         __builtin_shufflevector(quarters[2], quarters[3], 1, 3, 5, 7);
  *reinterpret_cast<Quarter*>(sums) =
      __builtin_shufflevector(first, second, 0, 2, 4, 6) + __builtin_shufflevector(first, second, 1, 3, 5, 7);
}

// scores[j] = <query, keys[j]> of `width` columns from `column` on. Four keys at a time: adding up the lanes of a sum
// takes longer than a short product.
POLYMOE_INLINE void score_keys(const float* query, const CachedRows& rows, std::int64_t column, std::int64_t width,
                               float* scores) {
  std::int64_t j = 0;
  if (width % kLanes == 0) {
    for (; j + 4 <= rows.count; j += 4) {
      Floats sums[4] = {}, x, y;
      for (std::int64_t i = 0; i < width; i += kLanes) {
        load(query + column + i, x);
        for (int k = 0; k < 4; ++k) {
          load(rows.keys[j + k] + column + i, y);
          sums[k] += x * y;
        }
      }
      sums_of(sums, scores + j);
    }
  }
  for (; j < rows.count; ++j) scores[j] = dot(query + column, rows.keys[j] + column, width);
}

// output = the sum of weights[j] * values[j], of kVectors vectors from `column` on; the sums stay in registers.
template <int kVectors>
POLYMOE_INLINE void sum_values(const float* weights, const CachedRows& rows, std::int64_t column, float* output) {
  Floats sums[kVectors] = {}, values;
  for (std::int64_t j = 0; j < rows.count; ++j) {
    for (int v = 0; v < kVectors; ++v) {
      load(rows.values[j] + column + v * kLanes, values);
      sums[v] += weights[j] * values;
    }
  }
  for (int v = 0; v < kVectors; ++v) store(sums[v], output + v * kLanes);
}

POLYMOE_INLINE void weighted_sum(const float* weights, const CachedRows& rows, std::int64_t column, std::int64_t width,
                                 float* output) {
  std::int64_t c = 0;
  for (; c + 4 * kLanes <= width; c += 4 * kLanes) sum_values<4>(weights, rows, column + c, output + c);
  for (; c + kLanes <= width; c += kLanes) sum_values<1>(weights, rows, column + c, output + c);
  for (; c < width; ++c) {
    float sum = 0.0f;
    for (std::int64_t j = 0; j < rows.count; ++j) sum += weights[j] * rows.values[j][column + c];
    output[c] = sum;
  }
}

// The softmax of what `query` scores with the keys of one head.
POLYMOE_INLINE void weigh_keys(const float* query, const CachedRows& rows, std::int64_t column, std::int64_t width,
                               float scale, float* scores) {
  score_keys(query, rows, column, width, scores);
  for (std::int64_t j = 0; j < rows.count; ++j) scores[j] *= scale;
  const float factor = 1.0f / exponentials<true>(scores, rows.count, greatest_of(scores, rows.count));
  for (std::int64_t j = 0; j < rows.count; ++j) scores[j] *= factor;
}

}  // namespace

POLYMOE_CPU_CLONES
void attend(const QueryRows& queries, const CachedRows& rows, std::int64_t heads, std::int64_t head_width, float scale,
            float* scores, float* output) {
  // One head's keys and values stay in the L1 cache for all queries.
  for (std::int64_t head = 0; head < heads; ++head) {
    const std::int64_t column = head * head_width;
    for (std::int64_t q = 0; q < queries.count; ++q) {
      weigh_keys(queries.queries + q * queries.stride, rows, column, head_width, scale, scores);
      weighted_sum(scores, rows, column, head_width, output + q * heads * head_width + column);
    }
  }
}

POLYMOE_CPU_CLONES
void attention_weights(const QueryRows& queries, const CachedRows& rows, std::int64_t heads, std::int64_t head_width,
                       float scale, float* scores, float* weights) {
  const float share = 1.0f / static_cast<float>(heads);
  for (std::int64_t q = 0; q < queries.count; ++q) {
    float* sums = weights + q * rows.count;
    for (std::int64_t j = 0; j < rows.count; ++j) sums[j] = 0.0f;
    for (std::int64_t head = 0; head < heads; ++head) {
      weigh_keys(queries.queries + q * queries.stride, rows, head * head_width, head_width, scale, scores);
      for (std::int64_t j = 0; j < rows.count; ++j) sums[j] += share * scores[j];
    }
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
