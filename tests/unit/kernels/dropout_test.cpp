#include "polymoe/kernels/cpu/dropout.h"

#include <cmath>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace polymoe::kernels {
namespace {

constexpr PhiloxKey kKey{123, 456};

std::vector<float> mask_of(std::int64_t rows, std::int64_t width, std::int64_t first_row, double p) {
  std::vector<float> ones(static_cast<std::size_t>(rows * width), 1.0f);
  dropout(ones.data(), ones.data(), rows, width, nullptr, first_row, 0, p, kKey);
  return ones;
}

TEST(Dropout, KeepsTheRightShareAndScalesIt) {
  const std::int64_t rows = 400, width = 500;
  const std::vector<float> mask = mask_of(rows, width, 0, 0.25);
  int kept = 0;
  for (const float value : mask) {
    ASSERT_TRUE(value == 0.0f || std::abs(value - 1.0f / 0.75f) < 1e-6f) << value;
    kept += value > 0 ? 1 : 0;
  }
  // 200,000 draws with probability 0.75: standard deviation 194; five of them.
  EXPECT_NEAR(kept, 150000, 5 * 194);
}

TEST(Dropout, TheMaskOfARowDoesNotDependOnWhereItIsComputed) {
  const std::int64_t width = 137;  // no multiple of a vector
  const std::vector<float> all = mask_of(5, width, 10, 0.5);
  for (std::int64_t row = 0; row < 5; ++row) {
    const std::vector<float> one = mask_of(1, width, 10 + row, 0.5);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + row * width));
  }
  EXPECT_NE(std::vector<float>(all.begin(), all.begin() + width),
            std::vector<float>(all.begin() + width, all.begin() + 2 * width));
}

TEST(Dropout, APartOfTheColumnsGetsItsPartOfTheMask) {
  // Columns are drawn in chunks of 128: parts that begin and end within one, at its ends, and over several.
  const std::int64_t width = 400;
  const std::vector<float> all = mask_of(2, width, 5, 0.5);
  for (const auto& [first, count] : {std::pair{0, 100}, {100, 300}, {127, 2}, {128, 128}, {37, 90}, {200, 200}}) {
    std::vector<float> part(static_cast<std::size_t>(2 * count), 1.0f);
    dropout(part.data(), part.data(), 2, count, nullptr, 5, first, 0.5, kKey);
    for (std::int64_t row = 0; row < 2; ++row) {
      EXPECT_TRUE(
          std::equal(part.begin() + row * count, part.begin() + (row + 1) * count, all.begin() + row * width + first))
          << "columns from " << first << ", row " << row;
    }
  }
}

TEST(Dropout, NamedRowsUseTheirNames) {
  const std::int64_t width = 64;
  const std::vector<std::int64_t> names{12, 10};
  std::vector<float> named(2 * width, 1.0f);
  dropout(named.data(), named.data(), 2, width, names.data(), 0, 0, 0.5, kKey);
  const std::vector<float> all = mask_of(3, width, 10, 0.5);
  EXPECT_TRUE(std::equal(named.begin(), named.begin() + width, all.begin() + 2 * width));
  EXPECT_TRUE(std::equal(named.begin() + width, named.end(), all.begin()));
}

TEST(Dropout, BFloat16DropsTheSameElements) {
  const std::int64_t width = 200;
  std::vector<BFloat16> values(width, BFloat16{0x3F80});  // 1.0
  dropout(values.data(), values.data(), 1, width, nullptr, 3, 0, 0.5, kKey);
  const std::vector<float> mask = mask_of(1, width, 3, 0.5);
  for (std::size_t i = 0; i < mask.size(); ++i) EXPECT_EQ(to_float(values[i]), mask[i]);
}

TEST(FillUniform, AnyPartOfTheStreamIsTheSame) {
  std::vector<float> all(100), part(40);
  fill_uniform(all.data(), 100, 0, -2.0f, 3.0f, kKey);
  fill_uniform(part.data(), 40, 37, -2.0f, 3.0f, kKey);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin() + 37));
  for (const float value : all) EXPECT_TRUE(value >= -2.0f && value < 3.0f);
}

}  // namespace
}  // namespace polymoe::kernels
