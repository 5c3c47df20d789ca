#include "polymoe/base/numbers.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace polymoe {
namespace {

TEST(Numbers, HaveCommasBetweenThousands) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(1234567.8), "1,234,568");
  EXPECT_EQ(with_commas(-1234), "−1,234");
  EXPECT_EQ(with_commas(-0.2), "0");
}

TEST(Numbers, HaveFixedDecimalsAndSigns) {
  EXPECT_EQ(with_decimals(27.456, 1), "27.5");
  EXPECT_EQ(with_decimals(-0.04, 1), "0.0");
  EXPECT_EQ(with_decimals(1e12, 1), "1.00e+12");
  EXPECT_EQ(with_sign(2.04, 1), "+2.0");
  EXPECT_EQ(with_sign(-3, 0), "−3");
  EXPECT_EQ(with_sign(0.01, 1), "0.0");
  EXPECT_EQ(as_percent(0.1234), "12.3%");
}

TEST(Numbers, HaveSuffixesFromTenThousandOn) {
  EXPECT_EQ(with_suffix(9876), "9,876");
  EXPECT_EQ(with_suffix(12345), "12.3 k");
  EXPECT_EQ(with_suffix(999700), "1.00 M");
  EXPECT_EQ(with_suffix(123456789), "123 M");
  EXPECT_EQ(with_suffix(3.5e12), "3.50 T");
}

TEST(Numbers, TellTimeInTheUnitsThatMatter) {
  EXPECT_EQ(as_duration(2.34), "2.3 s");
  EXPECT_EQ(as_duration(59.4), "59 s");
  EXPECT_EQ(as_duration(95), "1 min 35 s");
  EXPECT_EQ(as_duration(4521), "1 h 15 min");
  EXPECT_EQ(as_duration(90000), "1 d 1 h");
  EXPECT_EQ(as_utc(0), "1970-01-01 00:00 UTC");
  EXPECT_EQ(as_utc(1772900000), "2026-03-07 16:13 UTC");
}

TEST(Numbers, ThatAreNotFiniteAreADash) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  for (const double value : {nan, infinity, -infinity}) {
    EXPECT_EQ(with_commas(value), "–");
    EXPECT_EQ(with_decimals(value, 2), "–");
    EXPECT_EQ(with_sign(value, 2), "–");
    EXPECT_EQ(with_suffix(value), "–");
    EXPECT_EQ(as_percent(value), "–");
    EXPECT_EQ(as_duration(value), "–");
    EXPECT_EQ(as_utc(value), "–");
  }
}

}  // namespace
}  // namespace polymoe
