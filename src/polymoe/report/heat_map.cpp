#include "polymoe/report/heat_map.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "polymoe/base/numbers.h"
#include "polymoe/report/html.h"
#include "polymoe/report/style.h"

namespace polymoe {
namespace {

constexpr std::size_t kColumnsWithText = 16;

std::string heat_cell(const HeatMap& map, std::size_t row, std::size_t column, bool with_text) {
  const double value = map.values[row][column];
  if (!std::isfinite(value)) return "<td class=\"none\"></td>";
  const double share = map.high > map.low ? std::clamp((value - map.low) / (map.high - map.low), 0.0, 1.0) : 0.0;
  const int step = static_cast<int>(std::lround(share * kHeatSteps));
  const std::string text = with_decimals(value, map.decimals);
  if (with_text) return fmt::format("<td class=\"h{}\">{}</td>", step, text);
  return fmt::format("<td class=\"h{}\" title=\"{}, {}: {}\"></td>", step, escape_html(map.rows[row]),
                     escape_html(map.columns[column]), text);
}

}  // namespace

std::string render(const HeatMap& map) {
  if (map.rows.empty() || map.columns.empty()) return "";
  const bool with_text = map.columns.size() <= kColumnsWithText;
  std::string html = fmt::format(
      "<figure class=\"chart heat{}{}\"><figcaption><b>{}</b></figcaption>\n<div "
      "class=\"scroll\"><table><thead><tr><th "
      "scope=\"col\">{}</th>",
      with_text ? "" : " dense", map.wide ? " wide" : "", escape_html(map.title), escape_html(map.corner));
  for (std::size_t column = 0; column < map.columns.size(); ++column) {
    // Narrow columns have room for every eighth number only.
    const bool named = with_text || column % 8 == 0;
    html += fmt::format("<th scope=\"col\">{}</th>", named ? escape_html(map.columns[column]) : "");
  }
  for (const std::string& name : map.extra_columns)
    html += "<th scope=\"col\" class=\"extra\">" + escape_html(name) + "</th>";
  html += "</tr></thead>\n<tbody>\n";
  for (std::size_t row = 0; row < map.rows.size(); ++row) {
    html += map.total && row + 1 == map.rows.size() ? "<tr class=\"total\">" : "<tr>";
    html += "<th scope=\"row\">" + escape_html(map.rows[row]) + "</th>";
    for (std::size_t column = 0; column < map.columns.size(); ++column) html += heat_cell(map, row, column, with_text);
    if (!map.extra.empty()) {
      for (const std::string& text : map.extra[row]) html += "<td class=\"extra\">" + escape_html(text) + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div></figure>\n";
}

std::string heat_legend(const std::string& low, const std::string& high, const std::string& note) {
  return fmt::format("<p class=\"ramp\"><span>{}</span><i></i><span>{}</span><span class=\"note\">{}</span></p>\n",
                     escape_html(low), escape_html(high), escape_html(note));
}

}  // namespace polymoe
