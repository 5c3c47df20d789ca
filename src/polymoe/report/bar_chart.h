#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace polymoe {

/// One row of a bar chart: a bar for each run, and a mark to compare with.
struct BarRow {
  std::string label;
  std::vector<double> values;  ///< one for each of BarChart::names; what is not finite has no bar
  double mark;                 ///< not finite: no mark
};

/// A chart of horizontal bars from 0.
struct BarChart {
  std::string title;
  std::string unit;                ///< label of the value axis
  std::vector<std::string> names;  ///< of the bars within a row, in the order of colours
  std::string mark_name;           ///< what the marks are; empty: no marks
  std::vector<BarRow> rows;
};

/// A <figure> with an SVG drawing; "" where there is nothing to show.
std::string render(const BarChart& chart);

}  // namespace polymoe
