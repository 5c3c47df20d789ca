#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/kernels/cuda/column_sums_work.h"
#include "polymoe/kernels/cuda/layer_norm_work.h"
#include "support/simulated_grid.h"

namespace polymoe::kernels::cuda {
namespace {

constexpr float kUnset = std::numeric_limits<float>::quiet_NaN();
constexpr float kEpsilon = 1e-5f;

// Half a unit in the last place of the type, relative to the value.
template <typename T>
constexpr double kRounding = sizeof(T) == 2 ? 0x1p-8 : 0x1p-24;

template <typename T>
std::vector<T> random_values(std::int64_t count, float mean, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(mean, deviation);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) from_float(normal(random), value);
  return values;
}

template <typename T>
struct Problem {
  Problem(std::int64_t rows_, std::int64_t width_, float x_mean = 0.5f)
      : rows(rows_),
        width(width_),
        x(random_values<T>(rows * width, x_mean, 2.0f, 1)),
        grad_y(random_values<T>(rows * width, 0.1f, 1.0f, 2)),
        weight(random_values<float>(width, 1.0f, 0.5f, 3)),
        bias(random_values<float>(width, 0.0f, 0.5f, 4)) {}

  std::int64_t rows, width;
  std::vector<T> x, grad_y;
  std::vector<float> weight, bias;
};

template <typename T>
struct Forward {
  std::vector<T> y;
  std::vector<float> mean, rstd;
};
template <typename T>
struct Backward {
  std::vector<T> grad_x;
  std::vector<float> grad_weight, grad_bias;
};

// As layer_norm_kernel() goes about it, over x itself.
template <int kPack, int kHeld, typename T>
Forward<T> simulate_forward(const Problem<T>& p, int threads) {
  Forward<T> out{p.x, std::vector<float>(static_cast<std::size_t>(p.rows), kUnset),
                 std::vector<float>(static_cast<std::size_t>(p.rows), kUnset)};
  for (std::int64_t row = 0; row < p.rows; ++row) {
    T* const values = out.y.data() + row * p.width;
    std::vector<LayerNormPart<T, kPack, kHeld>> parts;
    std::vector<float> sums, squares;
    for (int thread = 0; thread < threads; ++thread) {
      parts.emplace_back(values, p.width, thread, threads);
      sums.push_back(parts.back().sum());
    }
    const float mean = sum_over_threads(sums) / static_cast<float>(p.width);
    for (const auto& part : parts) squares.push_back(part.squares(mean));
    const float rstd = layer_norm_rstd(sum_over_threads(squares), p.width, kEpsilon);
    for (const auto& part : parts) part.write(p.weight.data(), p.bias.data(), mean, rstd, values);
    out.mean[static_cast<std::size_t>(row)] = mean;
    out.rstd[static_cast<std::size_t>(row)] = rstd;
  }
  return out;
}
template <int kPack, typename T>
Forward<T> simulate_forward(const Problem<T>& p) {
  if (warp_holds_row<kPack>(p.width)) return simulate_forward<kPack, kHeldOfWarp>(p, kWarp);
  return simulate_forward<kPack, kHeldOfBlock<kPack>>(
      p, threads_for_row(p.width, kPack * kHeldOfBlock<kPack>, kMostThreadsOfRow));
}

// As layer_norm_backward_kernel() and sum_blocks_kernel() go about it, with grad_x over grad_y. `added` [rows, width]
// may be null.
template <int kPack, typename T>
Backward<T> simulate_backward(const Problem<T>& p, const Forward<T>& forward, const T* added = nullptr) {
  const LayerNormBackwardGrid grid(p.rows, p.width);
  const auto columns = static_cast<std::size_t>(p.width);
  std::vector<float> workspace(static_cast<std::size_t>(2 * grid.blocks * p.width), kUnset);
  Backward<T> out{p.grad_y, std::vector<float>(columns, kUnset), std::vector<float>(columns, kUnset)};
  for (std::int64_t block = 0; block < grid.blocks; ++block) {
    float* const weight_sums = workspace.data() + block * p.width;
    std::vector<LayerNormColumns<T, kPack>> threads;
    for (int thread = 0; thread < grid.threads; ++thread) {
      threads.emplace_back(p.weight.data(), weight_sums, weight_sums + grid.blocks * p.width, p.width, thread,
                           grid.threads);
    }
    for (std::int64_t row = block; row < p.rows; row += grid.blocks) {
      T* const grad_row = out.grad_x.data() + row * p.width;
      const T* const x_row = p.x.data() + row * p.width;
      const float mean = forward.mean[static_cast<std::size_t>(row)];
      const float rstd = forward.rstd[static_cast<std::size_t>(row)];
      std::vector<float> first, second;
      for (auto& thread : threads) {
        float sums[2];
        thread.read(grad_row, x_row, mean, rstd, sums);
        first.push_back(sums[0]);
        second.push_back(sums[1]);
      }
      const float means[2] = {sum_over_threads(first) / static_cast<float>(p.width),
                              sum_over_threads(second) / static_cast<float>(p.width)};
      for (const auto& thread : threads) {
        thread.write(grad_row, x_row, mean, rstd, means, added != nullptr ? added + row * p.width : nullptr, grad_row);
      }
    }
    for (const auto& thread : threads) thread.finish();
  }
  for (std::size_t column = 0; column < columns; ++column) {
    for (const bool of_bias : {false, true}) {
      float parts[kWarp][kWarp] = {};
      const float* const partial = workspace.data() + (of_bias ? grid.blocks * p.width : 0);
      for (int group = 0; group < kWarp; ++group) {
        parts[group][5] = column_part(partial, grid.blocks, p.width, static_cast<std::int64_t>(column), group);
      }
      (of_bias ? out.grad_bias : out.grad_weight)[column] = column_total(parts, 5);
    }
  }
  return out;
}

// Straightforward, in float64. The gradients are compared with those at the mean and rstd of the forward pass.
template <typename T>
void expect_forward(const Problem<T>& p, const Forward<T>& got) {
  for (std::int64_t row = 0; row < p.rows; ++row) {
    const auto n = static_cast<double>(p.width);
    double sum = 0, squares = 0;
    for (std::int64_t c = 0; c < p.width; ++c) sum += to_float(p.x[static_cast<std::size_t>(row * p.width + c)]);
    const double mean = sum / n;
    for (std::int64_t c = 0; c < p.width; ++c) {
      squares += std::pow(to_float(p.x[static_cast<std::size_t>(row * p.width + c)]) - mean, 2);
    }
    const double rstd = 1 / std::sqrt(squares / n + kEpsilon);
    // What float32 loses of x - mean, in units of the standard deviation.
    const double lost = 4e-7 * (std::abs(mean) + 3) * rstd;
    EXPECT_NEAR(got.mean[static_cast<std::size_t>(row)], mean, 1e-6 * (std::abs(mean) + 1));
    EXPECT_NEAR(got.rstd[static_cast<std::size_t>(row)], rstd, 2e-6 * rstd);
    for (std::int64_t c = 0; c < p.width; ++c) {
      const auto i = static_cast<std::size_t>(row * p.width + c), column = static_cast<std::size_t>(c);
      const double y = (to_float(p.x[i]) - mean) * rstd * p.weight[column] + p.bias[column];
      ASSERT_NEAR(to_float(got.y[i]), y, std::abs(y) * kRounding<T> + 3 * lost + 2e-6) << "row " << row << ", " << c;
    }
  }
}

template <typename T>
void expect_backward(const Problem<T>& p, const Forward<T>& forward, const Backward<T>& got) {
  const auto columns = static_cast<std::size_t>(p.width);
  std::vector<double> grad_weight(columns, 0.0), grad_bias(columns, 0.0);
  for (std::int64_t row = 0; row < p.rows; ++row) {
    const double mean = forward.mean[static_cast<std::size_t>(row)], rstd = forward.rstd[static_cast<std::size_t>(row)];
    double g_sum = 0, gx_sum = 0;
    for (std::size_t c = 0; c < columns; ++c) {
      const std::size_t i = static_cast<std::size_t>(row) * columns + c;
      const double grad = to_float(p.grad_y[i]), normal = (to_float(p.x[i]) - mean) * rstd;
      grad_weight[c] += grad * normal;
      grad_bias[c] += grad;
      g_sum += grad * p.weight[c];
      gx_sum += grad * p.weight[c] * normal;
    }
    const auto n = static_cast<double>(p.width);
    for (std::size_t c = 0; c < columns; ++c) {
      const std::size_t i = static_cast<std::size_t>(row) * columns + c;
      const double normal = (to_float(p.x[i]) - mean) * rstd;
      const double grad_x = rstd * (to_float(p.grad_y[i]) * p.weight[c] - g_sum / n - normal * gx_sum / n);
      ASSERT_NEAR(to_float(got.grad_x[i]), grad_x, std::abs(grad_x) * kRounding<T> + 4e-6 * rstd) << row << ", " << c;
    }
  }
  const double tolerance = 1e-6 * (static_cast<double>(p.rows) + 5);
  for (std::size_t c = 0; c < columns; ++c) {
    ASSERT_NEAR(got.grad_weight[c], grad_weight[c], tolerance) << "column " << c;
    ASSERT_NEAR(got.grad_bias[c], grad_bias[c], tolerance) << "column " << c;
  }
}

template <int kPack, typename T>
void check(const Problem<T>& p) {
  SCOPED_TRACE(::testing::Message() << p.rows << " x " << p.width << ", packs of " << kPack);
  const Forward<T> forward = simulate_forward<kPack>(p);
  expect_forward(p, forward);
  if (p.width <= LayerNormBackwardGrid::kWidest || kPack == 1) {
    expect_backward(p, forward, simulate_backward<kPack>(p, forward));
  }
}
template <typename T>
void check_both(std::int64_t rows, std::int64_t width, float x_mean = 0.5f) {
  const Problem<T> p(rows, width, x_mean);
  check<1>(p);
  if (width * static_cast<std::int64_t>(sizeof(T)) % 16 == 0) check<16 / sizeof(T)>(p);
}

TEST(CudaLayerNorm, RowsOfAWarpAndOfABlock) {
  for (const std::int64_t width : {2, 7, 8, 100, 256, 257, 1000, 1024, 1032, 2048, 2056, 4096}) {
    check_both<float>(3, width);
    check_both<BFloat16>(3, width);
  }
}

TEST(CudaLayerNorm, RowsWiderThanABlockHolds) {
  for (const std::int64_t width : {8192, 8200, 9001, 16400}) {
    check_both<float>(2, width);
    check_both<BFloat16>(2, width);
  }
}

TEST(CudaLayerNorm, AnotherGradientOfXIsAdded) {
  const Problem<float> p(9, 40);
  const Forward<float> forward = simulate_forward<4>(p);
  const std::vector<float> added = random_values<float>(9 * 40, 0.0f, 1.0f, 5);
  const Backward<float> alone = simulate_backward<4>(p, forward), sum = simulate_backward<4>(p, forward, added.data());
  for (std::size_t i = 0; i < added.size(); ++i) EXPECT_EQ(sum.grad_x[i], added[i] + alone.grad_x[i]);
  EXPECT_EQ(sum.grad_weight, alone.grad_weight);
}

TEST(CudaLayerNorm, AWidthOfOneLeavesTheBias) {
  const Problem<float> p(3, 1);
  const Forward<float> forward = simulate_forward<1>(p);
  const Backward<float> backward = simulate_backward<1>(p, forward);
  for (std::size_t row = 0; row < 3; ++row) {
    EXPECT_EQ(forward.mean[row], p.x[row]);
    EXPECT_EQ(forward.y[row], p.bias[0]);
    EXPECT_NEAR(backward.grad_x[row], 0.0f, 1e-6 * forward.rstd[row]);
  }
  EXPECT_EQ(backward.grad_weight[0], 0.0f);
}

TEST(CudaLayerNorm, RowsOfSeveralBlocks) {
  for (const std::int64_t rows : {1, 8, 9, 100, 300}) {
    check_both<float>(rows, 40);
    check_both<BFloat16>(rows, 264);
  }
  // More rows than the most blocks have eight of.
  check_both<float>(40000, 3);
}

TEST(CudaLayerNorm, AMeanFarFromZeroKeepsTheVariance) {
  check_both<float>(3, 1024, 1000.0f);
  check_both<float>(3, 4096, -3000.0f);
}

TEST(CudaLayerNorm, NoRowsGiveNoGradients) {
  const Problem<float> p(0, 24);
  const Backward<float> backward = simulate_backward<4>(p, simulate_forward<4>(p));
  EXPECT_EQ(backward.grad_weight, std::vector<float>(24, 0.0f));
  EXPECT_EQ(backward.grad_bias, std::vector<float>(24, 0.0f));
}

TEST(CudaLayerNorm, NanStaysInItsRow) {
  Problem<BFloat16> p(2, 64);
  from_float(kUnset, p.x[3]);
  const Forward<BFloat16> forward = simulate_forward<8>(p);
  for (std::size_t i = 0; i < 128; ++i) EXPECT_EQ(std::isnan(to_float(forward.y[i])), i < 64) << i;
}

TEST(CudaLayerNormGrid, ABlockFitsItsRowAndTheGridTheGpu) {
  for (const std::int64_t width : {1, 256, 257, 1024, 4096, 8192, 100000}) {
    const LayerNormBackwardGrid grid(65536, width);
    EXPECT_EQ(grid.threads % kWarp, 0);
    EXPECT_LE(grid.threads, 1024);
    EXPECT_TRUE(width > LayerNormBackwardGrid::kWidest || grid.threads * LayerNormBackwardGrid::kColumns >= width);
    EXPECT_LE(grid.blocks * grid.threads, LayerNormBackwardGrid::kMostThreads);
  }
  EXPECT_EQ(LayerNormBackwardGrid(0, 1024).blocks, 0);
  EXPECT_EQ(LayerNormBackwardGrid(17, 1024).blocks, 3);
}

}  // namespace
}  // namespace polymoe::kernels::cuda
