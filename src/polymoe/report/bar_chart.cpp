#include "polymoe/report/bar_chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "polymoe/base/numbers.h"
#include "polymoe/report/axis.h"
#include "polymoe/report/html.h"
#include "polymoe/report/style.h"

namespace polymoe {
namespace {

constexpr double kWidth = 560, kLeft = 104, kRight = 48, kTop = 4, kBottom = 50;
constexpr double kPlotWidth = kWidth - kLeft - kRight;

struct RowSizes {
  double bar, pitch;
};
RowSizes row_sizes(std::size_t bars) {
  const double bar = bars == 1 ? 16 : bars == 2 ? 13 : 10;
  return {bar, bar * static_cast<double>(bars) + 10};
}

std::string legend(const BarChart& chart) {
  std::string items;
  if (chart.names.size() > 1) {
    for (std::size_t i = 0; i < chart.names.size(); ++i) {
      items += fmt::format("<span class=\"key\">{}{}</span>", swatch(i), escape_html(chart.names[i]));
    }
  }
  const bool marked =
      std::any_of(chart.rows.begin(), chart.rows.end(), [](const BarRow& row) { return std::isfinite(row.mark); });
  if (marked) {
    items += fmt::format("<span class=\"key\"><i class=\"mark-key\"></i>{}</span>", escape_html(chart.mark_name));
  }
  return items.empty() ? "" : "<span class=\"legend\">" + items + "</span>";
}

std::string row_svg(const BarChart& chart, const BarRow& row, const Axis& axis, double top) {
  const RowSizes sizes = row_sizes(chart.names.size());
  std::string svg = fmt::format("<text class=\"end name\" x=\"{}\" y=\"{:.1f}\" dy=\".34em\">{}</text>", kLeft - 10,
                                top + sizes.pitch / 2, escape_html(row.label));
  const bool marked = std::isfinite(row.mark);
  const double mark = kLeft + axis.place(row.mark) * kPlotWidth;
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    if (!std::isfinite(row.values[i])) continue;
    const double y = top + 5 + static_cast<double>(i) * sizes.bar;
    const double length = std::max(0.0, axis.place(row.values[i]) * kPlotWidth);
    // Where the mark lies beyond the bar's end, the number moves behind it.
    const double text_at =
        marked && mark > kLeft + length && mark < kLeft + length + 34 ? mark + 6 : kLeft + length + 6;
    svg += fmt::format(
        "<rect class=\"bar c{}\" x=\"{}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" rx=\"2\"><title>{}: {} "
        "{}</title></rect>"
        "<text class=\"value\" x=\"{:.1f}\" y=\"{:.1f}\" dy=\".34em\">{}</text>",
        i % kSeriesColors, kLeft, y, length, sizes.bar - 2, escape_html(chart.names[i]), escape_html(row.label),
        with_decimals(row.values[i], 1), text_at, y + sizes.bar / 2 - 1, with_decimals(row.values[i], 1));
  }
  if (marked) {
    svg += fmt::format(
        "<path class=\"mark halo\" d=\"M{0:.1f} {1:.1f}v{2:.1f}\"/><path class=\"mark\" d=\"M{0:.1f} {1:.1f}v{2:.1f}\">"
        "<title>{3}: {4}</title></path>",
        mark, top + 2, sizes.pitch - 6, escape_html(chart.mark_name), with_decimals(row.mark, 1));
  }
  return svg + "\n";
}

}  // namespace

std::string render(const BarChart& chart) {
  double high = 0;
  bool any = false;
  for (const BarRow& row : chart.rows) {
    for (const double value : row.values)
      any = any || std::isfinite(value), high = std::max(high, std::isfinite(value) ? value : 0);
    if (std::isfinite(row.mark)) high = std::max(high, row.mark);
  }
  if (!any) return "";
  const Axis axis = make_axis(0, high > 0 ? high : 1, 5, true);
  const double pitch = row_sizes(chart.names.size()).pitch;
  const double foot = kTop + pitch * static_cast<double>(chart.rows.size());

  std::string svg = fmt::format(
      "<figure class=\"chart\"><figcaption><b>{0}</b>{1}</figcaption>\n<svg viewBox=\"0 0 {2} {3}\" role=\"img\">"
      "<title>{0}</title><desc>One row for each direction; the numbers stand in the table below.</desc>\n",
      escape_html(chart.title), legend(chart), kWidth, foot + kBottom);
  for (std::size_t i = 0; i < axis.ticks.size(); ++i) {
    const double at = kLeft + axis.place(axis.ticks[i]) * kPlotWidth;
    svg += fmt::format(
        "<path class=\"grid\" d=\"M{:.1f} {}V{}\"/><text class=\"mid\" x=\"{:.1f}\" y=\"{}\" dy=\"1.25em\">{}</text>\n",
        at, kTop, foot, at, foot + 2, axis.labels[i]);
  }
  for (std::size_t i = 0; i < chart.rows.size(); ++i) {
    svg += row_svg(chart, chart.rows[i], axis, kTop + pitch * static_cast<double>(i));
  }
  svg += fmt::format("<path class=\"axis\" d=\"M{} {}V{}\"/>", kLeft, kTop, foot);
  svg += fmt::format("<text class=\"mid label\" x=\"{}\" y=\"{}\">{}</text>\n", kLeft + kPlotWidth / 2,
                     foot + kBottom - 6, escape_html(chart.unit));
  return svg + "</svg></figure>\n";
}

}  // namespace polymoe
