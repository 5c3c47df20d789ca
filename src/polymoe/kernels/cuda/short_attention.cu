#include "polymoe/kernels/cuda/short_attention.h"

#include <cmath>

#include "polymoe/kernels/cuda/launch.h"

namespace polymoe::kernels::cuda {
namespace {

// A block of four warps has a row's head; warp w has the queries (and in dK, dV the keys) from 16 w to 16 w + 15.
constexpr int kSide = static_cast<int>(kShortRow), kWidth = static_cast<int>(kShortHeadWidth);
constexpr int kWarpRows = 16, kBlockThreads = kSide / kWarpRows * kWarp;
constexpr int kTiles = kWidth / 8;                      // of eight columns, in a warp's result
constexpr float kLog2E = 1.44269504f, kScale = 0.125f;  // 1 / sqrt(64)

// Eight elements more than a row has: then what the lanes of a warp read lies on different banks.
struct Matrix {
  alignas(16) BFloat16 at[kSide][kWidth + 8];
};

// What a warp's 16 x 64 results are, as mma.m16n8k16 spreads them: with g = lane / 4 and t = lane % 4, tile j holds
// columns 8 j + 2 t and the next, of row g in its elements 0 and 1 and of row g + 8 in 2 and 3.
using Result = float[kTiles][4];

__device__ int lane_group() { return static_cast<int>(threadIdx.x % kWarp) / 4; }
__device__ int lane_pair() { return static_cast<int>(threadIdx.x % 4) * 2; }
__device__ int first_row_of_warp() { return static_cast<int>(threadIdx.x / kWarp) * kWarpRows; }

__device__ std::uint32_t pair_in_row(const BFloat16& first) { return *reinterpret_cast<const std::uint32_t*>(&first); }
__device__ std::uint32_t pair_of(const BFloat16& low, const BFloat16& high) {
  return *reinterpret_cast<const std::uint16_t*>(&low) |
         static_cast<std::uint32_t>(*reinterpret_cast<const std::uint16_t*>(&high)) << 16;
}
__device__ std::uint32_t pair_of(float low, float high) {
  std::uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

// sums += a b, for a [16, 16] and b [16, 8].
__device__ void multiply(float (&sums)[4], const std::uint32_t (&a)[4], std::uint32_t b_low, std::uint32_t b_high) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b_low), "r"(b_high));
}

// sums += a y, for the part of a [16, 16] that belongs to the rows `from` to `from + 15` of y.
__device__ void multiply_by_rows(Result& sums, const std::uint32_t (&a)[4], const Matrix& y, int from) {
  const int g = lane_group(), row = from + lane_pair();
#pragma unroll
  for (int j = 0; j < kTiles; ++j) {
    const int column = 8 * j + g;
    multiply(sums[j], a, pair_of(y.at[row][column], y.at[row + 1][column]),
             pair_of(y.at[row + 8][column], y.at[row + 9][column]));
  }
}

// x y^T for the warp's rows of x and the first `rows` rows of y.
__device__ void rows_times_rows(Result& sums, const Matrix& x, const Matrix& y, int rows) {
  const int g = lane_group(), t = lane_pair(), first = first_row_of_warp();
#pragma unroll
  for (int k = 0; k < kWidth; k += 16) {
    const std::uint32_t a[4] = {pair_in_row(x.at[first + g][k + t]), pair_in_row(x.at[first + g + 8][k + t]),
                                pair_in_row(x.at[first + g][k + t + 8]), pair_in_row(x.at[first + g + 8][k + t + 8])};
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      if (8 * j >= rows) break;
      multiply(sums[j], a, pair_in_row(y.at[8 * j + g][k + t]), pair_in_row(y.at[8 * j + g][k + t + 8]));
    }
  }
}

// x y for a result x of the warp and the first `rows` rows of y.
__device__ void result_times(Result& sums, const Result& x, const Matrix& y, int rows) {
#pragma unroll
  for (int j = 0; j < kTiles; j += 2) {
    if (8 * j >= rows) break;
    const std::uint32_t a[4] = {pair_of(x[j][0], x[j][1]), pair_of(x[j][2], x[j][3]), pair_of(x[j + 1][0], x[j + 1][1]),
                                pair_of(x[j + 1][2], x[j + 1][3])};
    multiply_by_rows(sums, a, y, 8 * j);
  }
}

// x^T y for the warp's columns of x and the first `rows` rows of both.
__device__ void columns_times(Result& sums, const Matrix& x, const Matrix& y, int rows) {
  const int column = first_row_of_warp() + lane_group();
#pragma unroll
  for (int from = 0; from < kSide; from += 16) {
    if (from >= rows) break;
    const int row = from + lane_pair();
    const std::uint32_t a[4] = {pair_of(x.at[row][column], x.at[row + 1][column]),
                                pair_of(x.at[row][column + 8], x.at[row + 1][column + 8]),
                                pair_of(x.at[row + 8][column], x.at[row + 9][column]),
                                pair_of(x.at[row + 8][column + 8], x.at[row + 9][column + 8])};
    multiply_by_rows(sums, a, y, from);
  }
}

// Over the four lanes that share a row.
__device__ float sum_over_row(float value) {
  value += __shfl_xor_sync(0xFFFFFFFFu, value, 1);
  return value + __shfl_xor_sync(0xFFFFFFFFu, value, 2);
}
__device__ float max_over_row(float value) {
  value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 1));
  return fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 2));
}

// Scores become exponentials, which are 0 where a query takes no key; `sums` are over the rows g and g + 8.
__device__ void exponentials(Result& scores, int keys, bool causal, float (&sums)[2]) {
  const int t = lane_pair();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int query = first_row_of_warp() + lane_group() + 8 * half;
    const int end = causal && query + 1 < keys ? query + 1 : keys;
    float highest = -INFINITY;
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
#pragma unroll
      for (int i = 2 * half; i < 2 * half + 2; ++i) {
        if (8 * j + t + i % 2 < end) highest = fmaxf(highest, scores[j][i]);
      }
    }
    highest = max_over_row(highest);
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
#pragma unroll
      for (int i = 2 * half; i < 2 * half + 2; ++i) {
        const bool takes = 8 * j + t + i % 2 < end;
        scores[j][i] = takes ? exp2f((scores[j][i] - highest) * (kScale * kLog2E)) : 0.0f;
        sum += scores[j][i];
      }
    }
    sums[half] = sum_over_row(sum);
  }
}

// The tokens of a head; rows behind them become zero.
__device__ void load(Matrix& matrix, TokenHeads<const BFloat16> from, std::int64_t begin, int count, int head) {
  using Elements = Pack<BFloat16, 8>;
  for (int i = static_cast<int>(threadIdx.x); i < kSide * kWidth / 8; i += kBlockThreads) {
    const int row = i / (kWidth / 8), column = i % (kWidth / 8) * 8;
    Elements elements{};
    if (row < count) {
      elements = *reinterpret_cast<const Elements*>(from.first + (begin + row) * from.stride + head * kWidth + column);
    }
    *reinterpret_cast<Elements*>(&matrix.at[row][column]) = elements;
  }
}

// The warp's results, times a factor for each of a lane's two rows, become its rows of a matrix.
__device__ void put(Matrix& matrix, const Result& results, const float (&factors)[2]) {
  const int row = first_row_of_warp() + lane_group(), t = lane_pair();
#pragma unroll
  for (int j = 0; j < kTiles; ++j) {
    *reinterpret_cast<std::uint32_t*>(&matrix.at[row][8 * j + t]) =
        pair_of(results[j][0] * factors[0], results[j][1] * factors[0]);
    *reinterpret_cast<std::uint32_t*>(&matrix.at[row + 8][8 * j + t]) =
        pair_of(results[j][2] * factors[1], results[j][3] * factors[1]);
  }
}

// The warp's rows, as far as there are tokens.
__device__ void store(const Matrix& matrix, TokenHeads<BFloat16> to, std::int64_t begin, int count, int head) {
  using Elements = Pack<BFloat16, 8>;
  __syncwarp();
  const int first = first_row_of_warp();
  for (int i = static_cast<int>(threadIdx.x % kWarp); i < kWarpRows * kWidth / 8; i += kWarp) {
    const int row = first + i / (kWidth / 8), column = i % (kWidth / 8) * 8;
    if (row >= count) continue;
    *reinterpret_cast<Elements*>(to.first + (begin + row) * to.stride + head * kWidth + column) =
        *reinterpret_cast<const Elements*>(&matrix.at[row][column]);
  }
}

// Where a block's row and head are.
struct Place {
  __device__ explicit Place(const ShortRows& rows) {
    const std::int64_t row = blockIdx.x / rows.heads;
    head = static_cast<int>(blockIdx.x - row * rows.heads);
    query_begin = rows.query_begins[row];
    key_begin = rows.key_begins[row];
    queries = static_cast<int>(rows.query_begins[row + 1] - query_begin);
    keys = static_cast<int>(rows.key_begins[row + 1] - key_begin);
  }

  std::int64_t query_begin, key_begin;
  int queries, keys, head;
};

__global__ void __launch_bounds__(kBlockThreads)
    forward_kernel(ShortRows rows, TokenHeads<const BFloat16> queries, TokenHeads<const BFloat16> keys,
                   TokenHeads<const BFloat16> values, TokenHeads<BFloat16> outputs) {
  __shared__ Matrix q, k, v;
  const Place place(rows);
  load(q, queries, place.query_begin, place.queries, place.head);
  load(k, keys, place.key_begin, place.keys, place.head);
  load(v, values, place.key_begin, place.keys, place.head);
  __syncthreads();
  if (first_row_of_warp() >= place.queries) return;
  Result weights = {}, sums = {};
  float totals[2];
  rows_times_rows(weights, q, k, place.keys);
  exponentials(weights, place.keys, rows.causal, totals);
  result_times(sums, weights, v, place.keys);
  __syncwarp();  // all lanes have read the warp's queries
  put(q, sums, {1.0f / totals[0], 1.0f / totals[1]});
  store(q, outputs, place.query_begin, place.queries, place.head);
}

__global__ void __launch_bounds__(kBlockThreads)
    backward_kernel(ShortRows rows, TokenHeads<const BFloat16> queries, TokenHeads<const BFloat16> keys,
                    TokenHeads<const BFloat16> values, TokenHeads<const BFloat16> grads,
                    TokenHeads<BFloat16> grad_queries, TokenHeads<BFloat16> grad_keys,
                    TokenHeads<BFloat16> grad_values) {
  __shared__ Matrix q, k, v, grad;
  const Place place(rows);
  load(q, queries, place.query_begin, place.queries, place.head);
  load(k, keys, place.key_begin, place.keys, place.head);
  load(v, values, place.key_begin, place.keys, place.head);
  load(grad, grads, place.query_begin, place.queries, place.head);
  __syncthreads();

  // The gradient of a score is weight * (grad_weight - sum over the row of weight * grad_weight).
  Result weights = {}, score_grads = {};
  float totals[2];
  rows_times_rows(weights, q, k, place.keys);
  exponentials(weights, place.keys, rows.causal, totals);
  rows_times_rows(score_grads, grad, v, place.keys);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float inverse = 1.0f / totals[half];
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
#pragma unroll
      for (int i = 2 * half; i < 2 * half + 2; ++i) {
        weights[j][i] *= inverse;
        sum += weights[j][i] * score_grads[j][i];
      }
    }
    sum = sum_over_row(sum);
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
#pragma unroll
      for (int i = 2 * half; i < 2 * half + 2; ++i) score_grads[j][i] = weights[j][i] * (score_grads[j][i] - sum);
    }
  }

  // Weights take the place of the values and score gradients that of the keys, each once all warps have read these.
  Result of_queries = {}, of_keys = {}, of_values = {};
  __syncthreads();
  put(v, weights, {1.0f, 1.0f});
  result_times(of_queries, score_grads, k, place.keys);
  __syncthreads();
  put(k, score_grads, {1.0f, 1.0f});
  __syncthreads();
  columns_times(of_values, v, grad, place.queries);
  columns_times(of_keys, k, q, place.queries);
  __syncthreads();
  put(q, of_queries, {kScale, kScale});
  store(q, grad_queries, place.query_begin, place.queries, place.head);
  put(k, of_keys, {kScale, kScale});
  store(k, grad_keys, place.key_begin, place.keys, place.head);
  put(v, of_values, {1.0f, 1.0f});
  store(v, grad_values, place.key_begin, place.keys, place.head);
}

}  // namespace

void short_attention(const ShortRows& rows, TokenHeads<const BFloat16> queries, TokenHeads<const BFloat16> keys,
                     TokenHeads<const BFloat16> values, TokenHeads<BFloat16> outputs, Stream stream) {
  if (rows.rows == 0) return;
  forward_kernel<<<static_cast<unsigned>(rows.rows * rows.heads), kBlockThreads, 0, stream>>>(rows, queries, keys,
                                                                                              values, outputs);
  check_launch("short_attention");
}

void short_attention_backward(const ShortRows& rows, TokenHeads<const BFloat16> queries,
                              TokenHeads<const BFloat16> keys, TokenHeads<const BFloat16> values,
                              TokenHeads<const BFloat16> grads, TokenHeads<BFloat16> grad_queries,
                              TokenHeads<BFloat16> grad_keys, TokenHeads<BFloat16> grad_values, Stream stream) {
  if (rows.rows == 0) return;
  backward_kernel<<<static_cast<unsigned>(rows.rows * rows.heads), kBlockThreads, 0, stream>>>(
      rows, queries, keys, values, grads, grad_queries, grad_keys, grad_values);
  check_launch("short_attention_backward");
}

}  // namespace polymoe::kernels::cuda
