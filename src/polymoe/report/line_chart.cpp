#include "polymoe/report/line_chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "polymoe/base/numbers.h"
#include "polymoe/report/axis.h"
#include "polymoe/report/html.h"
#include "polymoe/report/style.h"

namespace polymoe {
namespace {

/// Sizes in the units of the drawing, which are pixels at the drawing's natural size.
struct Frame {
  double width, height, left, right, top, bottom;
  double plot_width() const { return width - left - right; }
  double plot_height() const { return height - top - bottom; }
};
constexpr Frame kLargeFrame{560, 300, 74, 22, 12, 50};
constexpr Frame kSmallFrame{280, 140, 34, 24, 8, 24};

bool drawable(const Series& series, std::size_t i) { return std::isfinite(series.x[i]) && std::isfinite(series.y[i]); }

std::vector<double> finite_values(const LineChart& chart, std::vector<double> Series::*values) {
  std::vector<double> all;
  for (const Series& series : chart.series) {
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (drawable(series, i)) all.push_back((series.*values)[i]);
    }
  }
  std::sort(all.begin(), all.end());
  return all;
}

Axis y_axis(const LineChart& chart, int ticks) {
  if (chart.y_low < chart.y_high) return make_axis(chart.y_low, chart.y_high, ticks, true);
  const std::vector<double> values = finite_values(chart, &Series::y);
  double low = values.front(), high = values.back();
  // Values far beyond the bulk are cut off.
  const std::size_t tail = values.size() / 50;
  const double bulk_low = values[tail], bulk_high = values[values.size() - 1 - tail];
  const double reach = 3 * (bulk_high - bulk_low);
  if (reach > 0) {
    low = std::max(low, bulk_low - reach);
    high = std::min(high, bulk_high + reach);
  }
  if (chart.from_zero) low = std::min(low, 0.0), high = std::max(high, 0.0);
  return make_axis(low, high, ticks, true);
}

std::string legend(const LineChart& chart) {
  std::string items;
  for (const Series& series : chart.series) {
    if (series.name.empty() || !has_points(series)) continue;
    items += fmt::format(
        "<span class=\"key\"><svg viewBox=\"0 0 26 10\" class=\"c{} {}\" aria-hidden=\"true\"><path class=\"curve\" "
        "d=\"M0 5H26\"/>{}</svg>{}</span>",
        series.color % kSeriesColors, look_class(series.look),
        series.look == Series::Look::kMarked ? "<circle class=\"dot\" cx=\"13\" cy=\"5\" r=\"3\"/>" : "",
        escape_html(series.name));
  }
  return items.empty() ? "" : "<span class=\"legend\">" + items + "</span>";
}

std::string grid(const Frame& frame, const Axis& x, const Axis& y) {
  std::string svg;
  const double foot = frame.height - frame.bottom;
  for (std::size_t i = 0; i < y.ticks.size(); ++i) {
    const double at = foot - y.place(y.ticks[i]) * frame.plot_height();
    svg += fmt::format(
        "<path class=\"grid\" d=\"M{} {:.1f}h{}\"/><text class=\"end\" x=\"{}\" y=\"{:.1f}\" dy=\".32em\">{}</text>\n",
        frame.left, at, frame.plot_width(), frame.left - 8, at, y.labels[i]);
  }
  for (std::size_t i = 0; i < x.ticks.size(); ++i) {
    const double at = frame.left + x.place(x.ticks[i]) * frame.plot_width();
    svg += fmt::format(
        "<path class=\"tick\" d=\"M{:.1f} {}v4\"/><text class=\"mid\" x=\"{:.1f}\" y=\"{}\" dy=\"1.25em\">{}</text>\n",
        at, foot, at, foot + 2, x.labels[i]);
  }
  return svg + fmt::format("<path class=\"axis\" d=\"M{} {}h{}\"/>\n", frame.left, foot, frame.plot_width());
}

std::string curve(const Series& series, const Frame& frame, const Axis& x, const Axis& y) {
  std::string path, dots;
  bool pen_down = false;
  std::size_t points = 0;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!drawable(series, i)) {
      pen_down = false;
      continue;
    }
    const double px = x.place(series.x[i]) * frame.plot_width();
    const double py = std::clamp((1 - y.place(series.y[i])) * frame.plot_height(), -1e4, 1e4);
    path += fmt::format("{}{:.1f} {:.2f}", pen_down ? "L" : "M", px, py);
    pen_down = true;
    ++points;
    const bool best = series.best_x >= 0 && series.x[i] == series.best_x;
    if (best || series.look == Series::Look::kMarked) {
      dots += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.2f}\" r=\"{}\"><title>{}: {}{}</title></circle>",
                          best ? "dot best" : "dot", px, py,
                          best                   ? 5.0
                          : series.x.size() > 60 ? 1.8
                                                 : 3.0,
                          with_commas(series.x[i]), fmt::format("{:.4g}", series.y[i]), best ? " (best)" : "");
    }
  }
  if (points == 1) {  // a line of one point would be invisible
    const std::size_t comma = path.find(' ');
    dots += fmt::format("<circle class=\"dot\" cx=\"{}\" cy=\"{}\" r=\"3\"/>", path.substr(1, comma - 1),
                        path.substr(comma + 1));
  }
  return fmt::format("<g class=\"series c{} {}\" data-name=\"{}\"><path class=\"curve\" d=\"{}\"/>{}</g>\n",
                     series.color % kSeriesColors, look_class(series.look), escape_html(series.name), path, dots);
}

std::string description(const LineChart& chart) {
  std::string text = fmt::format("{} against {}.", chart.y_label.empty() ? chart.title : chart.y_label, chart.x_label);
  for (const Series& series : chart.series) {
    if (!has_points(series) || series.look == Series::Look::kFaint) continue;
    std::size_t first = 0, last = series.x.size() - 1;
    while (!drawable(series, first)) ++first;
    while (!drawable(series, last)) --last;
    text += fmt::format(" {}: from {:.4g} to {:.4g}.", series.name.empty() ? chart.title : series.name, series.y[first],
                        series.y[last]);
  }
  return text;
}

}  // namespace

bool has_points(const Series& series) {
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (drawable(series, i)) return true;
  }
  return false;
}

std::string render(const LineChart& chart) {
  const std::vector<double> xs = finite_values(chart, &Series::x);
  if (xs.empty()) return "";
  const Frame& frame = chart.small ? kSmallFrame : kLargeFrame;
  // Curves start at 0 unless that would push them to the right edge.
  const bool from_zero = xs.front() > 0 && (xs.front() <= 0.2 * xs.back() || xs.front() == xs.back());
  const double x_low = from_zero ? 0.0 : xs.front();
  const Axis x = make_axis(x_low, xs.back(), chart.small ? 3 : 6, false);
  const Axis y = y_axis(chart, chart.small ? 3 : 5);

  std::string y_label = chart.y_label;
  if (!y.factor.empty()) y_label += " (" + y.factor + ")";
  std::string svg = fmt::format(
      "<figure class=\"chart{}\"><figcaption><b>{}</b>{}</figcaption>\n<svg viewBox=\"0 0 {} {}\" role=\"img\">"
      "<title>{}</title><desc>{}</desc>\n",
      chart.small ? " small" : "", escape_html(chart.title), legend(chart), frame.width, frame.height,
      escape_html(chart.title), escape_html(description(chart)));
  svg += grid(frame, x, y);
  if (!chart.small) {
    svg += fmt::format("<text class=\"mid label\" x=\"{}\" y=\"{}\">{}</text>\n", frame.left + frame.plot_width() / 2,
                       frame.height - 6, escape_html(chart.x_label));
    svg += fmt::format("<text class=\"mid label\" transform=\"translate(13 {}) rotate(-90)\">{}</text>\n",
                       frame.top + frame.plot_height() / 2, escape_html(y_label));
  }
  // An inner <svg> cuts off what lies outside, but for a margin that whole dots need; data-x, data-y and data-size let
  // the script turn places back into values.
  constexpr double kMargin = 6;
  const double width = frame.plot_width(), height = frame.plot_height();
  svg += fmt::format(
      "<svg class=\"plot\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" viewBox=\"{} {} {} {}\" data-x=\"{} {}\" "
      "data-y=\"{} {}\" data-size=\"{} {}\" data-label=\"{}\">\n",
      frame.left - kMargin, frame.top - kMargin, width + 2 * kMargin, height + 2 * kMargin, -kMargin, -kMargin,
      width + 2 * kMargin, height + 2 * kMargin, x.low, x.high, y.low, y.high, width, height,
      escape_html(chart.x_label));
  for (const Series& series : chart.series) {
    if (has_points(series)) svg += curve(series, frame, x, y);
  }
  return svg + "</svg></svg></figure>\n";
}

std::vector<double> smoothed(const std::vector<double>& values, std::size_t reach) {
  const std::size_t count = values.size();
  std::vector<double> result(count, std::numeric_limits<double>::quiet_NaN());
  std::vector<double> window;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t near = std::min({reach, i, count - 1 - i});
    window.clear();
    for (std::size_t j = i - near; j <= i + near; ++j) {
      if (std::isfinite(values[j])) window.push_back(values[j]);
    }
    if (window.empty()) continue;
    const auto middle = window.begin() + static_cast<std::ptrdiff_t>(window.size() / 2);
    std::nth_element(window.begin(), middle, window.end());
    result[i] = *middle;
  }
  return result;
}

Series thinned(Series series, std::size_t limit) {
  const std::size_t count = series.x.size();
  if (count <= limit) return series;
  const std::size_t stretch = (2 * count + limit - 1) / limit;
  std::vector<std::size_t> kept = {0};
  for (std::size_t begin = 0; begin < count; begin += stretch) {
    const std::size_t end = std::min(count, begin + stretch);
    std::size_t lowest = begin, highest = begin;
    for (std::size_t i = begin; i < end; ++i) {
      // Comparisons with NaN are false, so a finite value replaces a NaN that came first.
      if (!std::isfinite(series.y[lowest]) || series.y[i] < series.y[lowest]) lowest = i;
      if (!std::isfinite(series.y[highest]) || series.y[i] > series.y[highest]) highest = i;
    }
    kept.push_back(std::min(lowest, highest));
    kept.push_back(std::max(lowest, highest));
  }
  kept.push_back(count - 1);
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  Series thin = series;
  thin.x.clear();
  thin.y.clear();
  for (const std::size_t i : kept) {
    thin.x.push_back(series.x[i]);
    thin.y.push_back(series.y[i]);
  }
  return thin;
}

}  // namespace polymoe
