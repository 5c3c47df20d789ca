#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace polymoe {

/// One curve. Points whose x or y is not finite break the line.
struct Series {
  enum class Look { kLine, kFaint, kDashed, kMarked };

  std::string name;  ///< for the legend; empty: none
  std::vector<double> x;
  std::vector<double> y;
  std::size_t color = 0;
  Look look = Look::kLine;
  double best_x = -1.0;  ///< the point to emphasise; below 0: none
};

/// A line chart with axes, grid and legend.
struct LineChart {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<Series> series;
  bool from_zero = false;            ///< the y axis holds 0
  bool small = false;                ///< one of many little charts
  double y_low = 0.0, y_high = 0.0;  ///< the y range where y_low < y_high, so that little charts compare
};

/// True where a series has a point to show.
bool has_points(const Series& series);

/// A <figure> with an SVG drawing; "" where no series has a point. A few extreme values (a loss that spikes) are cut
/// off rather than flattening all else.
std::string render(const LineChart& chart);

/// The median of each value and its neighbours, up to `reach` on either side, the same number on both: noise goes, a
/// single spike leaves no trace. What is not finite is left out.
std::vector<double> smoothed(const std::vector<double>& values, std::size_t reach);

/// Keeps the first and last point and the extremes of about `limit` / 2 stretches, which looks the same as all points.
Series thinned(Series series, std::size_t limit = 1000);

}  // namespace polymoe
