#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "polymoe/base/numbers.h"
#include "polymoe/evaluate/expert_usage.h"
#include "polymoe/report/heat_map.h"
#include "polymoe/report/html.h"
#include "polymoe/report/sections.h"

namespace polymoe {
namespace {

// More rows would make a page that browsers labour over; usage.json has them all.
constexpr std::size_t kMostRows = 60;

// Wider matrices stand below each other.
constexpr std::size_t kMostBeside = 10;

std::string note_on_rest(std::size_t rows) {
  if (rows <= kMostRows) return "";
  return fmt::format("<p class=\"ramp\">The first {} of {}.</p>\n", kMostRows, rows);
}

/// What `polymoe usage` measured, or else the languages' loads at the last validation.
SharesByLayer language_shares(const RunMetrics& run) {
  if (!run.language_usage.empty()) return run.language_usage;
  SharesByLayer shares;
  if (run.experts.empty()) return shares;
  for (const LayerLoad& layer : run.experts.back().layers) {
    for (const LanguageLoad& language : layer.languages) shares[layer.name][language.language] = language.load;
  }
  return shares;
}

double lowest(const std::map<std::string, Similarity>& sides) {
  double low = 1;
  for (const auto& [side, similarity] : sides) {
    for (const auto& row : similarity.cosine) {
      for (const double value : row) low = std::min(low, std::isfinite(value) ? value : low);
    }
  }
  return std::floor(10 * low) / 10;
}

/// One map of cosines for each side, on one scale.
std::string similarity_maps(const SharesByLayer& shares, const std::string& rows) {
  const std::map<std::string, Similarity> sides = similarity_by_side(shares);
  const double low = lowest(sides);
  std::string html;
  std::size_t most = 0;
  for (const auto& [side, similarity] : sides) {
    const std::size_t count = std::min(similarity.names.size(), kMostRows);
    most = std::max(most, similarity.names.size());
    if (count < 2) continue;
    HeatMap map;
    map.title = fmt::format("{}s, {}", rows, side);
    map.corner = rows;
    map.low = low;
    map.decimals = 2;
    map.wide = count > kMostBeside;
    map.rows.assign(similarity.names.begin(), similarity.names.begin() + static_cast<std::ptrdiff_t>(count));
    map.columns = map.rows;
    for (std::size_t i = 0; i < count; ++i) {
      map.values.emplace_back(similarity.cosine[i].begin(),
                              similarity.cosine[i].begin() + static_cast<std::ptrdiff_t>(count));
    }
    html += render(map);
  }
  if (html.empty()) return "";
  return heat_legend(with_decimals(low, 1), "1.0",
                     fmt::format("cosine between the experts' shares of two {}s, over all layers of a side. 1: the "
                                 "same experts in the same proportions.",
                                 rows)) +
         "<div class=\"grid\">\n" + html + "</div>\n" + note_on_rest(most);
}

/// One map for each layer: rows by expert, in percent.
std::string share_maps(const SharesByLayer& shares, const std::string& rows) {
  std::vector<HeatMap> maps;
  double high = 0;
  std::size_t most = 0;
  for (const auto& [layer, by_row] : shares) {
    HeatMap map;
    map.title = layer;
    map.corner = rows;
    most = std::max(most, by_row.size());
    for (const auto& [name, row] : by_row) {
      if (map.rows.size() == kMostRows) break;
      map.rows.push_back(name);
      for (std::size_t e = map.columns.size(); e < row.size(); ++e) map.columns.push_back(std::to_string(e));
      std::vector<double>& values = map.values.emplace_back();
      for (const double share : row) {
        values.push_back(100 * share);
        high = std::max(high, std::isfinite(share) ? 100 * share : 0);
      }
    }
    for (std::vector<double>& values : map.values) values.resize(map.columns.size(), kMissing);
    maps.push_back(std::move(map));
  }
  std::string html;
  for (HeatMap& map : maps) {
    map.high = high;
    html += render(map);
  }
  if (html.empty()) return "";
  return heat_legend("0%", as_percent(high / 100),
                     fmt::format("of the choices that a {}'s tokens make fall on the expert", rows)) +
         "<div class=\"grid\">\n" + html + "</div>\n" + note_on_rest(most);
}

std::string part(const std::string& heading, const std::string& content) {
  return content.empty() ? "" : "<h3>" + heading + "</h3>\n" + content;
}

}  // namespace

std::string usage_section(const std::vector<RunMetrics>& runs) {
  std::string content;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunMetrics& run = runs[i];
    std::string maps = part(
        "Languages", share_maps(run.language_usage, "language") + similarity_maps(language_shares(run), "language"));
    maps += part("Tasks", share_maps(run.task_usage, "task") + similarity_maps(run.task_usage, "task"));
    maps += part("Directions",
                 share_maps(run.direction_usage, "direction") + similarity_maps(run.direction_usage, "direction"));
    if (!maps.empty() && runs.size() > 1) content += "<h3>" + run_label(runs, i) + "</h3>\n";
    content += maps;
  }
  return section("usage", "Who shares experts",
                 "How alike languages, tasks and directions use the experts, as <code>usage.json</code> has it; "
                 "without it, languages at the last validation.",
                 content);
}

}  // namespace polymoe
