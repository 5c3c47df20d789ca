#include "polymoe/kernels/cpu/decoding.h"

#include <cmath>
#include <limits>

#include "polymoe/kernels/cpu/lanes.h"
#include "polymoe/kernels/cpu/vector_math.h"

namespace polymoe::kernels {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

template <int kLanes>
POLYMOE_INLINE float dot(const float* a, const float* b, std::int64_t width) {
  using L = Lanes<kLanes>;
  typename L::Floats sums = {}, x, y;
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    L::load(a + i, x);
    L::load(b + i, y);
    sums += x * y;
  }
  if (i < width) {
    load_some<kLanes>(a + i, width - i, 0.0f, x);
    load_some<kLanes>(b + i, width - i, 0.0f, y);
    sums += x * y;
  }
  return sum_of<kLanes>(sums);
}

// e^(x - greatest), kept in x where kKeep; -> their sum.
template <int kLanes, bool kKeep, typename Float>
POLYMOE_INLINE float exponentials(Float* x, std::int64_t width, float greatest) {
  using L = Lanes<kLanes>;
  typename L::Floats sums = {}, values;
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    L::load(x + i, values);
    values -= greatest;
    for (int l = 0; l < kLanes; ++l) values[l] = vector_exp(values[l]);
    sums += values;
    if constexpr (kKeep) L::store(values, x + i);
  }
  for (std::int64_t l = 0; i + l < width; ++l) {
    const float value = vector_exp(x[i + l] - greatest);
    sums[l] += value;
    if constexpr (kKeep) x[i + l] = value;
  }
  return sum_of<kLanes>(sums);
}

// The sums of the lanes of four vectors.
template <int kLanes>
POLYMOE_INLINE void sums_of(const typename Lanes<kLanes>::Floats (&lanes)[4], float* sums) {
  using Quarter = Lanes<4>::Floats;
  Quarter quarters[4];
  for (int i = 0; i < 4; ++i) {
    const auto* parts = reinterpret_cast<const Quarter*>(&lanes[i]);
    if constexpr (kLanes == 16) {
      quarters[i] = (parts[0] + parts[2]) + (parts[1] + parts[3]);
    } else if constexpr (kLanes == 8) {
      quarters[i] = parts[0] + parts[1];
    } else {
      quarters[i] = parts[0];
    }
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
template <int kLanes>
POLYMOE_INLINE void score_keys(const float* query, const CachedRows& rows, std::int64_t column, std::int64_t width,
                               float* scores) {
  using L = Lanes<kLanes>;
  std::int64_t j = 0;
  if (width % kLanes == 0) {
    for (; j + 4 <= rows.count; j += 4) {
      typename L::Floats sums[4] = {}, x, y;
      for (std::int64_t i = 0; i < width; i += kLanes) {
        L::load(query + column + i, x);
        for (int k = 0; k < 4; ++k) {
          L::load(rows.keys[j + k] + column + i, y);
          sums[k] += x * y;
        }
      }
      sums_of<kLanes>(sums, scores + j);
    }
  }
  for (; j < rows.count; ++j) scores[j] = dot<kLanes>(query + column, rows.keys[j] + column, width);
}

// output = the sum of weights[j] * values[j], of kVectors vectors from `column` on; the sums stay in registers.
template <int kLanes, int kVectors>
POLYMOE_INLINE void sum_values(const float* weights, const CachedRows& rows, std::int64_t column, float* output) {
  using L = Lanes<kLanes>;
  typename L::Floats sums[kVectors] = {}, values;
  for (std::int64_t j = 0; j < rows.count; ++j) {
    for (int v = 0; v < kVectors; ++v) {
      L::load(rows.values[j] + column + v * kLanes, values);
      sums[v] += weights[j] * values;
    }
  }
  for (int v = 0; v < kVectors; ++v) L::store(sums[v], output + v * kLanes);
}

template <int kLanes>
POLYMOE_INLINE void weighted_sum(const float* weights, const CachedRows& rows, std::int64_t column, std::int64_t width,
                                 float* output) {
  std::int64_t c = 0;
  for (; c + 4 * kLanes <= width; c += 4 * kLanes) sum_values<kLanes, 4>(weights, rows, column + c, output + c);
  for (; c + kLanes <= width; c += kLanes) sum_values<kLanes, 1>(weights, rows, column + c, output + c);
  for (; c < width; ++c) {
    float sum = 0.0f;
    for (std::int64_t j = 0; j < rows.count; ++j) sum += weights[j] * rows.values[j][column + c];
    output[c] = sum;
  }
}

// The softmax of what `query` scores with the keys of one head.
template <int kLanes>
POLYMOE_INLINE void weigh_keys(const float* query, const CachedRows& rows, std::int64_t column, std::int64_t width,
                               float scale, float* scores) {
  score_keys<kLanes>(query, rows, column, width, scores);
  for (std::int64_t j = 0; j < rows.count; ++j) scores[j] *= scale;
  const float factor = 1.0f / exponentials<kLanes, true>(scores, rows.count, greatest_of<kLanes>(scores, rows.count));
  for (std::int64_t j = 0; j < rows.count; ++j) scores[j] *= factor;
}

struct Attention {
  QueryRows queries;
  CachedRows rows;
  std::int64_t heads, head_width;
  float scale;
  float* scores;

  /// Fills `scores` with a query's weights in a head.
  template <int kLanes>
  POLYMOE_INLINE void weigh(std::int64_t query, std::int64_t head) const {
    weigh_keys<kLanes>(queries.queries + query * queries.stride, rows, head * head_width, head_width, scale, scores);
  }
};

struct Attend {
  Attention of;
  float* output;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    // One head's keys and values stay in the L1 cache for all queries.
    for (std::int64_t head = 0; head < of.heads; ++head) {
      const std::int64_t column = head * of.head_width;
      for (std::int64_t q = 0; q < of.queries.count; ++q) {
        of.weigh<kLanes>(q, head);
        weighted_sum<kLanes>(of.scores, of.rows, column, of.head_width, output + q * of.heads * of.head_width + column);
      }
    }
  }
};

struct AttentionWeights {
  Attention of;
  float* weights;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const float share = 1.0f / static_cast<float>(of.heads);
    const std::int64_t keys = of.rows.count;
    for (std::int64_t q = 0; q < of.queries.count; ++q) {
      float* sums = weights + q * keys;
      for (std::int64_t j = 0; j < keys; ++j) sums[j] = 0.0f;
      for (std::int64_t head = 0; head < of.heads; ++head) {
        of.weigh<kLanes>(q, head);
        for (std::int64_t j = 0; j < keys; ++j) sums[j] += share * of.scores[j];
      }
    }
  }
};

struct LayerNorm {
  const float* x;
  std::int64_t rows, width;
  const float* weight;
  const float* bias;
  float epsilon;
  float* y;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    using L = Lanes<kLanes>;
    const std::int64_t whole = width / kLanes * kLanes;
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* row = x + r * width;
      typename L::Floats sums = {}, squares = {}, values;
      for (std::int64_t i = 0; i < whole; i += kLanes) {
        L::load(row + i, values);
        sums += values;
      }
      for (std::int64_t i = whole; i < width; ++i) sums[i - whole] += row[i];
      const float mean = sum_of<kLanes>(sums) / static_cast<float>(width);
      for (std::int64_t i = 0; i < whole; i += kLanes) {
        L::load(row + i, values);
        values -= mean;
        squares += values * values;
      }
      for (std::int64_t i = whole; i < width; ++i) squares[i - whole] += (row[i] - mean) * (row[i] - mean);
      const float deviation = 1.0f / std::sqrt(sum_of<kLanes>(squares) / static_cast<float>(width) + epsilon);
      float* out = y + r * width;
      for (std::int64_t i = 0; i < width; ++i) out[i] = (row[i] - mean) * deviation * weight[i] + bias[i];
    }
  }
};

struct LogSoftmax {
  float* x;
  std::int64_t width, begin, end;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    for (std::int64_t r = begin; r < end; ++r) {
      float* row = x + r * width;
      const float greatest = greatest_of<kLanes>(row, width);
      const float total = exponentials<kLanes, false>(static_cast<const float*>(row), width, greatest);
      const float normaliser = greatest + std::log(total);
      for (std::int64_t i = 0; i < width; ++i) row[i] -= normaliser;
    }
  }
};

struct Softmax {
  float* x;
  std::int64_t rows, width;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    for (std::int64_t r = 0; r < rows; ++r) {
      float* row = x + r * width;
      const float total = exponentials<kLanes, true>(row, width, greatest_of<kLanes>(row, width));
      for (std::int64_t i = 0; i < width; ++i) row[i] /= total;
    }
  }
};

struct GreatestSums {
  const float* x;
  const float* scores;
  std::int64_t rows, width, count;
  float* best;
  std::int64_t* places;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    constexpr std::int64_t kBlock = 128;
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* row = x + r * width;
      for (std::int64_t begin = 0; begin < width; begin += kBlock) {
        const std::int64_t end = begin + kBlock < width ? begin + kBlock : width;
        // Nearly all blocks hold nothing great.
        if (!(greatest_of<kLanes>(row + begin, end - begin) + scores[r] > best[count - 1])) continue;
        for (std::int64_t c = begin; c < end; ++c) insert(row[c] + scores[r], r * width + c);
      }
    }
  }

  POLYMOE_INLINE void insert(float sum, std::int64_t place) const {
    if (!(sum > best[count - 1])) return;
    std::int64_t rank = count - 1;
    for (; rank > 0 && sum > best[rank - 1]; --rank) {
      best[rank] = best[rank - 1];
      places[rank] = places[rank - 1];
    }
    best[rank] = sum;
    places[rank] = place;
  }
};

}  // namespace

void attend(const QueryRows& queries, const CachedRows& rows, std::int64_t heads, std::int64_t head_width, float scale,
            float* scores, float* output, Vectors vectors) {
  run_kernel(Attend{{queries, rows, heads, head_width, scale, scores}, output}, vectors);
}

void attention_weights(const QueryRows& queries, const CachedRows& rows, std::int64_t heads, std::int64_t head_width,
                       float scale, float* scores, float* weights, Vectors vectors) {
  run_kernel(AttentionWeights{{queries, rows, heads, head_width, scale, scores}, weights}, vectors);
}

void layer_norm(const float* x, std::int64_t rows, std::int64_t width, const float* weight, const float* bias,
                float epsilon, float* y, Vectors vectors) {
  run_kernel(LayerNorm{x, rows, width, weight, bias, epsilon, y}, vectors);
}

void log_softmax(float* x, std::int64_t width, std::int64_t begin, std::int64_t end, Vectors vectors) {
  run_kernel(LogSoftmax{x, width, begin, end}, vectors);
}

void softmax(float* x, std::int64_t rows, std::int64_t width, Vectors vectors) {
  run_kernel(Softmax{x, rows, width}, vectors);
}

void greatest_sums(const float* x, const float* scores, std::int64_t rows, std::int64_t width, std::int64_t count,
                   float* best, std::int64_t* places, Vectors vectors) {
  for (std::int64_t i = 0; i < count; ++i) {
    best[i] = kNothing;
    places[i] = 0;
  }
  run_kernel(GreatestSums{x, scores, rows, width, count, best, places}, vectors);
}

}  // namespace polymoe::kernels
