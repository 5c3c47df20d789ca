// What each thread of the GPU's kernels does, run on the CPU over all items of a grid, beside the CPU's kernels.

#include <algorithm>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/base/random.h"
#include "polymoe/kernels/adam_element.h"
#include "polymoe/kernels/cpu/adam.h"
#include "polymoe/kernels/cpu/dropout.h"
#include "polymoe/kernels/cpu/routing.h"
#include "polymoe/kernels/cpu/rows.h"
#include "polymoe/kernels/cuda/column_sums_work.h"
#include "polymoe/kernels/cuda/dropout_work.h"
#include "polymoe/kernels/cuda/rows_work.h"
#include "polymoe/kernels/cuda/segments_work.h"
#include "polymoe/kernels/cuda/sum_of_squares_work.h"
#include "support/simulated_grid.h"

namespace polymoe::kernels {
namespace {

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  const RandomStream random(seed, 1);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(2.0 * random.uniform(i) - 1.0));
  return values;
}

template <typename T>
std::vector<T> random_elements(std::size_t count, std::uint64_t seed) {
  const std::vector<float> values = random_floats(count, seed);
  std::vector<T> elements(count);
  for (std::size_t i = 0; i < count; ++i) from_float(values[i], elements[i]);
  return elements;
}

template <typename T>
void expect_same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(T)), 0);
}

template <typename T>
class CudaElements : public ::testing::Test {};
using Types = ::testing::Types<float, BFloat16>;
TYPED_TEST_SUITE(CudaElements, Types);

TYPED_TEST(CudaElements, DropoutHasTheMaskOfTheCpu) {
  using T = TypeParam;
  const std::vector<std::int64_t> ids{3, 1ll << 40, 7, 0, 12};
  for (const std::int64_t width : {1, 7, 128, 300}) {
    for (const std::int64_t first_column : {0, 128, 50}) {
      for (const bool named : {false, true}) {
        const std::int64_t rows = 5, first_row = 1ll << 33;
        const auto input = random_elements<T>(static_cast<std::size_t>(rows * width), 1);
        std::vector<T> expected(input.size()), got(input.size());
        const std::int64_t* row_ids = named ? ids.data() : nullptr;
        dropout(input.data(), expected.data(), rows, width, row_ids, first_row, first_column, 0.3, {5, 6});
        const cuda::DropoutWork<T> work{input.data(), nullptr,      got.data(),       rows,  width, row_ids,
                                        first_row,    first_column, MaskNumbers(0.3), {5, 6}};
        for (std::int64_t i = 0; i < rows * mask_items(first_column, width); ++i) cuda::dropout_item(work, i);
        expect_same_bits(got, expected);
      }
    }
  }
}

// As dropout_columns_kernel() goes about it: all lanes of a warp draw, then each writes.
template <typename BlockOf, typename Write>
void simulate_warps(std::int64_t items, const MaskNumbers& mask, const BlockOf& block_of, const Write& write) {
  for (std::int64_t begin = 0; begin < items; begin += cuda::kWarp) {
    PhiloxCounter blocks[cuda::kWarp] = {};
    for (int lane = 0; lane < cuda::kWarp && begin + lane < items; ++lane) blocks[lane] = block_of(begin + lane);
    const auto of_warp = [&](int part) {
      std::uint32_t bits = 0;
      for (int lane = 0; lane < cuda::kWarp; ++lane) bits |= (mask_keeps(blocks[lane], part, mask) ? 1u : 0u) << lane;
      return bits;
    };
    for (int lane = 0; lane < cuda::kWarp && begin + lane < items; ++lane) {
      write(begin + lane, cuda::kept_columns(lane, of_warp));
    }
  }
}

template <typename T>
void simulate_dropout(const cuda::DropoutWork<T>& work) {
  const std::int64_t of_row = mask_items(work.first_column, work.width);
  simulate_warps(
      work.items(), work.mask,
      [&](std::int64_t item) {
        return mask_block_of_item(work.row_name(item / of_row), item % of_row, work.first_column, work.key);
      },
      [&](std::int64_t item, std::uint32_t kept) { cuda::dropout_columns(work, item / of_row, item % of_row, kept); });
}

TYPED_TEST(CudaElements, DropoutInEightsHasTheSameMask) {
  using T = TypeParam;
  const std::vector<std::int64_t> ids{3, 1ll << 40, 7};
  for (const std::int64_t width : {8, 128, 136, 304}) {
    for (const std::int64_t first_column : {0, 128, 56}) {
      ASSERT_TRUE(cuda::in_eights(first_column, width));
      const std::int64_t rows = 3;
      const auto input = random_elements<T>(static_cast<std::size_t>(rows * width), 1);
      std::vector<T> expected(input.size()), got(input.size());
      dropout(input.data(), expected.data(), rows, width, ids.data(), 0, first_column, 0.3, {5, 6});
      const cuda::DropoutWork<T> work{input.data(), nullptr,          got.data(), rows, width, ids.data(), 0,
                                      first_column, MaskNumbers(0.3), {5, 6}};
      simulate_dropout(work);
      expect_same_bits(got, expected);
    }
  }
  EXPECT_FALSE(cuda::in_eights(0, 12));
  EXPECT_FALSE(cuda::in_eights(50, 128));
}

TEST(CudaDropout, AddsInFloat32) {
  const auto input = random_elements<float>(256, 1), added = random_elements<float>(256, 2);
  std::vector<float> dropped(256), got(256);
  dropout(input.data(), dropped.data(), 2, 128, nullptr, 0, 0, 0.5, {1, 2});
  const cuda::DropoutWork<float> work{input.data(),     added.data(), got.data(), 2, 128, nullptr, 0, 0,
                                      MaskNumbers(0.5), {1, 2}};
  for (std::int64_t i = 0; i < 2 * mask_items(0, 128); ++i) cuda::dropout_item(work, i);
  for (std::size_t i = 0; i < 256; ++i) EXPECT_EQ(got[i], added[i] + dropped[i]);
  std::vector<float> eights(256);
  const cuda::DropoutWork<float> in_eights{input.data(),     added.data(), eights.data(), 2, 128, nullptr, 0, 0,
                                           MaskNumbers(0.5), {1, 2}};
  simulate_dropout(in_eights);
  expect_same_bits(eights, got);
}

TYPED_TEST(CudaElements, CombineIsTheCpus) {
  using T = TypeParam;
  constexpr std::int64_t kWidth = 16, kTokens = 4, kTopK = 2;
  const TokenRanges tokens = TokenRanges::equal(kTokens, kTopK);
  const std::vector<std::int64_t> slot_of{0, 3, -1, 2, 4, -1, -1, -1};
  const auto slots = random_elements<T>(5 * kWidth, 1), grad = random_elements<T>(kTokens * kWidth, 2);
  const std::vector<float> weights = random_floats(kTokens * kTopK, 3);
  for (const float* weight : {weights.data(), static_cast<const float*>(nullptr)}) {
    std::vector<T> expected(kTokens * kWidth), got(kTokens * kWidth);
    combine_rows(slots.data(), weight, slot_of.data(), expected.data(), kWidth, tokens, 0, kTokens);
    for (std::int64_t token = 0; token < kTokens; ++token) {
      for (std::int64_t first = 0; first < kWidth; first += 4) {
        cuda::combine_elements<T, 4>(slots.data(), weight, slot_of.data(), got.data(), kWidth, tokens, token, first);
      }
    }
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(to_float(got[i]), to_float(expected[i]), 1e-2) << i;
    if (sizeof(T) == 4) {
      for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(to_float(got[i]), to_float(expected[i]), 1e-6) << i;
    }
  }

  std::vector<T> expected(5 * kWidth), got(5 * kWidth);
  std::vector<float> expected_weights(kTokens * kTopK);
  combine_rows_backward(grad.data(), slots.data(), weights.data(), slot_of.data(), expected.data(),
                        expected_weights.data(), kWidth, tokens, 0, kTokens);
  for (std::int64_t a = 0; a < kTokens * kTopK; ++a) {
    const std::int64_t slot = slot_of[static_cast<std::size_t>(a)];
    if (slot < 0) continue;
    const float product = cuda::sum_of_warp([&](int lane) {
      return cuda::combine_gradient_lane<T, 4>(grad.data() + a / kTopK * kWidth, slots.data() + slot * kWidth,
                                               weights[static_cast<std::size_t>(a)], got.data() + slot * kWidth, kWidth,
                                               lane);
    });
    EXPECT_NEAR(product, expected_weights[static_cast<std::size_t>(a)], 1e-5);
  }
  expect_same_bits(got, expected);
}

// Six rows of three experts, the second of which has none; the last row is not in use.
class CudaSegments : public ::testing::Test {
 protected:
  CudaSegments() {
    for (std::int64_t e = 0; e < kExperts; ++e) cuda::make_segment(ends_.data(), e, pack_key({3, 4}), table_.data());
  }
  cuda::Segments segments() const { return {table_.data(), kExperts}; }

  static constexpr std::int64_t kExperts = 3, kRows = 6, kWidth = 8;
  std::vector<std::int32_t> ends_{2, 2, 5};
  std::vector<Segment> table_ = std::vector<Segment>(kExperts);
};

TEST_F(CudaSegments, FindTheirRows) {
  const std::vector<std::int64_t> experts{0, 0, 2, 2, 2}, numbers{0, 1, 0, 1, 2};
  for (std::int64_t row = 0; row < 5; ++row) {
    const cuda::RowPlace place = cuda::place_of_row(segments(), row);
    ASSERT_NE(place.line, nullptr) << row;
    EXPECT_EQ(place.line->expert, experts[static_cast<std::size_t>(row)]);
    EXPECT_EQ(place.number, numbers[static_cast<std::size_t>(row)]);
  }
  EXPECT_EQ(cuda::place_of_row(segments(), 5).line, nullptr);
}

TEST_F(CudaSegments, AddTheirExpertsBias) {
  const std::vector<float> before = random_floats(kRows * kWidth, 1), bias = random_floats(kExperts * kWidth, 2);
  for (const Activation activation : {Activation::kRelu, Activation::kGelu, Activation::kSwish}) {
    std::vector<float> values = before, active(values.size(), 7.0f);
    for (std::int64_t row = 0; row < kRows; ++row) {
      for (std::int64_t first = 0; first < kWidth; first += 4) {
        cuda::add_bias_elements<float, 4>(values.data(), bias.data(), active.data(), activation, kWidth, segments(),
                                          row, first);
      }
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t row = i / kWidth, expert = row < 2 ? 0 : 2;
      const float sum = before[i] + bias[expert * kWidth + i % kWidth];
      EXPECT_EQ(values[i], row < 5 ? sum : before[i]);
      EXPECT_EQ(active[i], row < 5 ? activate(sum, activation) : 7.0f);
    }
  }
}

TEST_F(CudaSegments, DropWithTheNamesOfTheirExperts) {
  std::vector<float> values(kRows * kWidth, 1.0f), expected = values;
  dropout(expected.data(), expected.data(), 2, kWidth, nullptr, 0, 0, 0.5, {3, 4});
  dropout(expected.data() + 2 * kWidth, expected.data() + 2 * kWidth, 3, kWidth, nullptr, 2ll << 32, 0, 0.5, {3, 4});
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (std::int64_t item = 0; item < mask_items(0, kWidth); ++item) {
      cuda::segment_dropout_item(values.data(), kWidth, 0, MaskNumbers(0.5), segments(), row, item);
    }
  }
  expect_same_bits(values, expected);

  std::fill(values.begin(), values.end(), 1.0f);
  const std::int64_t of_row = mask_items(0, kWidth);
  const cuda::DropoutWork<float> work{values.data(),    nullptr, values.data(), kRows, kWidth, nullptr, 0, 0,
                                      MaskNumbers(0.5), {}};
  simulate_warps(
      work.items(), work.mask,
      [&](std::int64_t item) {
        return cuda::segment_block(cuda::place_of_row(segments(), item / of_row), item % of_row, 0);
      },
      [&](std::int64_t item, std::uint32_t kept) {
        const std::int64_t row = item / of_row;
        if (cuda::place_of_row(segments(), row).line == nullptr) return;
        cuda::dropout_columns(work, row, item % of_row, kept);
      });
  expect_same_bits(values, expected);
}

TEST(CudaColumnSums, AddUpRows) {
  constexpr std::int64_t kRows = 6, kWidth = 8;
  const std::vector<float> values = random_floats(kRows * kWidth, 1);
  float sums[4] = {};
  for (int warp = 0; warp < 2; ++warp) cuda::sum_rows<float, 4>(values.data(), kWidth, 4, 2, 5, warp, 2, sums);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(sums[i], values[2 * kWidth + 4 + i] + values[3 * kWidth + 4 + i] + values[4 * kWidth + 4 + i], 1e-6);
  }
}

TYPED_TEST(CudaElements, SumsBehindReluAreThoseOfItsBackward) {
  using T = TypeParam;
  constexpr std::int64_t kRows = 5, kWidth = 8;
  auto grad = random_elements<T>(kRows * kWidth, 1);
  auto active = random_elements<T>(kRows * kWidth, 2);
  for (T& value : active) from_float(std::max(to_float(value), 0.0f), value);
  std::vector<T> expected = grad;
  float sums[kWidth] = {}, expected_sums[kWidth] = {};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (to_float(active[i]) == 0.0f) from_float(0.0f, expected[i]);
    expected_sums[i % kWidth] += to_float(expected[i]);
  }
  for (int warp = 0; warp < 2; ++warp) {
    for (std::int64_t first = 0; first < kWidth; first += 4) {
      cuda::sum_relu_rows<T, 4>(grad.data(), active.data(), grad.data(), kWidth, first, 0, kRows, warp, 2,
                                sums + first);
    }
  }
  expect_same_bits(grad, expected);
  for (int i = 0; i < kWidth; ++i) EXPECT_NEAR(sums[i], expected_sums[i], 1e-5);
}

TEST(CudaColumnSums, BlocksShareAllRows) {
  for (const std::int64_t rows : {0, 1, 63, 64, 65, 1000, 16384, 1 << 20}) {
    for (const std::int64_t width : {1, 256, 4096, 1 << 20}) {
      const cuda::ColumnSumsGrid grid(rows, width, 256);
      EXPECT_GE(grid.across * 256, width);
      EXPECT_EQ(grid.first_row(0, rows), 0);
      EXPECT_EQ(grid.first_row(grid.down, rows), rows);
      EXPECT_GE(grid.down, 1);
      EXPECT_LE(grid.down, std::max<std::int64_t>(1, (rows + 63) / 64));
      // The workspace is that of wide packs, which must do for narrow ones too.
      EXPECT_LE(cuda::ColumnSumsGrid(rows, width, 32).down, grid.down);
    }
  }
}

template <typename Element>
void takes_each_element_once() {
  alignas(16) Element values[103];
  for (int i = 0; i < 103; ++i) from_float(static_cast<float>(i), values[i]);
  for (const int first : {0, 1}) {  // aligned and not
    double sum = 0.0;
    for (int thread = 0; thread < 9; ++thread) sum += cuda::squares_of_thread(values + first, 103 - first, thread, 9);
    EXPECT_EQ(sum, 102.0 * 103 * 205 / 6);
    EXPECT_EQ(sum, sum_of_squares(values + first, 103 - first));
  }
}

TEST(CudaSumOfSquares, TakesEachElementOnce) {
  takes_each_element_once<float>();
  takes_each_element_once<BFloat16>();
}

TEST(AdamElement, IsTheFormula) {
  const AdamStep step{1e-3f, 0.9f, 0.98f, 1e-8f, 0.01f, 0.1f, 0.02f, 0.5f};
  std::vector<float> p = random_floats(50, 1), m = random_floats(50, 3), v = random_floats(50, 4);
  const std::vector<float> g = random_floats(50, 2);
  for (float& value : v) value = value * value;
  for (std::size_t i = 0; i < 50; ++i) {
    const double gradient = 0.5 * g[i], first = 0.9 * m[i] + 0.1 * gradient,
                 second = 0.98 * v[i] + 0.02 * gradient * gradient;
    const double root = std::sqrt(second / 0.02) + 1e-8, expected = p[i] - 1e-3 * (first / 0.1 / root + 0.01 * p[i]);
    EXPECT_NEAR(adam_element(p[i], g[i], m[i], v[i], AdamFactors(step)), expected, 1e-6);
    EXPECT_NEAR(m[i], first, 1e-6);
    EXPECT_NEAR(v[i], second, 1e-6);
  }
}

}  // namespace
}  // namespace polymoe::kernels
