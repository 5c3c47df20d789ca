#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "polymoe/report/line_chart.h"

namespace polymoe {

/// Series and runs take colours c0, c1, ... in turn; there are this many.
inline constexpr std::size_t kSeriesColors = 7;
/// Steps of a heat map's colour above none: classes h0 to h20.
inline constexpr int kHeatSteps = 20;

/// The style sheet: light and dark, screens of any width, paper.
std::string report_style();

/// A script that shows the values under the pointer; charts are complete without it.
std::string_view report_script();

/// The CSS class of a curve's look.
std::string_view look_class(Series::Look look);

}  // namespace polymoe
