#include "polymoe/report/axis.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "polymoe/base/numbers.h"

namespace polymoe {
namespace {

double round_step(double rough) {
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.999) return factor * power;
  }
  return 10 * power;
}

std::string power_of_ten(int exponent) {
  static const char* const kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = exponent < 0 ? "×10⁻" : "×10";
  for (const char digit : std::to_string(std::abs(exponent))) text += kDigits[digit - '0'];
  return text;
}

void label_ticks(Axis& axis, double step) {
  const double largest = std::max(std::fabs(axis.low), std::fabs(axis.high));
  double unit = 1.0;
  std::string suffix;
  if (largest >= 1e13 || largest < 0.01) {
    const int exponent = static_cast<int>(std::floor(std::log10(largest)));
    unit = std::pow(10.0, exponent);
    axis.factor = power_of_ten(exponent);
  } else if (largest >= 1e10) {
    unit = 1e9, suffix = "B";
  } else if (largest >= 1e7) {
    unit = 1e6, suffix = "M";
  } else if (largest >= 1e4) {
    unit = 1e3, suffix = "k";
  }
  const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step / unit) - 1e-9)), 0, 9);
  for (const double tick : axis.ticks) {
    const std::string number = unit == 1.0 && decimals == 0 ? with_commas(tick) : with_decimals(tick / unit, decimals);
    axis.labels.push_back(tick == 0.0 ? "0" : number + suffix);
  }
}

}  // namespace

Axis make_axis(double low, double high, int count, bool widen) {
  constexpr double kLargest = 1e300;  // keeps the width finite
  if (!(std::fabs(low) < kLargest && std::fabs(high) < kLargest && low <= high)) low = 0, high = 1;
  // Steps far below a value's own precision would never reach the end.
  const double least_width = std::max(1e-9 * std::max(std::fabs(low), std::fabs(high)), 1e-290);
  if (high - low < least_width) {
    const double margin = low == 0 ? 1 : 0.1 * std::fabs(low);
    low -= margin, high += margin;
  }
  Axis axis{low, high, {}, {}, {}};
  const double step = round_step((high - low) / count);
  if (widen) {
    axis.low = std::floor(low / step + 1e-6) * step;
    axis.high = std::ceil(high / step - 1e-6) * step;
  }
  const double first = std::ceil(axis.low / step - 1e-6);
  const double last = std::floor(axis.high / step + 1e-6);
  for (double index = first; index <= last; ++index) axis.ticks.push_back(index == 0 ? 0.0 : index * step);
  label_ticks(axis, step);
  return axis;
}

}  // namespace polymoe
