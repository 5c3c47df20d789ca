#pragma once

#include <string>
#include <vector>

namespace polymoe {

/// One axis of a chart: its range, and round values to mark on it.
struct Axis {
  double low = 0.0;
  double high = 1.0;
  std::vector<double> ticks;
  std::vector<std::string> labels;  ///< one for each tick
  std::string factor;               ///< e.g. "×10⁻⁴": what the labels are multiples of; mostly empty

  /// The place of a value as a share of the axis: 0 at low, 1 at high.
  double place(double value) const { return (value - low) / (high - low); }
};

/// Marks about `count` steps of 1, 2 or 5 times a power of ten. With `widen`, the ends move out to the next mark;
/// else they stay at the data. A range without width, or that is not finite, gets one.
Axis make_axis(double low, double high, int count, bool widen);

}  // namespace polymoe
