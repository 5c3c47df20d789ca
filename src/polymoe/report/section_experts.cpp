#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "polymoe/base/numbers.h"
#include "polymoe/report/heat_map.h"
#include "polymoe/report/html.h"
#include "polymoe/report/line_chart.h"
#include "polymoe/report/sections.h"

namespace polymoe {
namespace {

std::size_t experts_in(const LayerLoad& layer) {
  std::size_t experts = 0;
  for (const LanguageLoad& language : layer.languages) experts = std::max(experts, language.load.size());
  return experts;
}

/// The layer's mean over its languages, each weighted by its tokens.
LanguageLoad all_languages(const LayerLoad& layer) {
  LanguageLoad all{"all", 0, std::vector<double>(experts_in(layer), 0), 0, 0};
  const auto weighted = [](double weight, double value) { return std::isfinite(value) ? weight * value : 0; };
  for (const LanguageLoad& language : layer.languages) {
    const double weight = std::isfinite(language.tokens) ? language.tokens : 0;
    all.tokens += weight;
    all.dropped += weighted(weight, language.dropped);
    all.entropy += weighted(weight, language.entropy);
    for (std::size_t expert = 0; expert < language.load.size(); ++expert) {
      all.load[expert] += weighted(weight, language.load[expert]);
    }
  }
  if (all.tokens > 0) {
    all.dropped /= all.tokens;
    all.entropy /= all.tokens;
    for (double& share : all.load) share /= all.tokens;
  }
  return all;
}

void add_row(HeatMap& map, const LanguageLoad& language) {
  map.rows.push_back(language.language);
  std::vector<double> shares(map.columns.size(), kMissing);
  for (std::size_t expert = 0; expert < language.load.size(); ++expert) shares[expert] = 100 * language.load[expert];
  map.values.push_back(std::move(shares));
  map.extra.push_back({as_percent(language.dropped), with_decimals(language.entropy, 2)});
}

HeatMap layer_map(const LayerLoad& layer) {
  HeatMap map;
  map.title = layer.name;
  map.corner = "language";
  const std::size_t experts = experts_in(layer);
  for (std::size_t expert = 0; expert < experts; ++expert) map.columns.push_back(std::to_string(expert));
  map.extra_columns = {"dropped", "entropy"};
  for (const LanguageLoad& language : layer.languages) add_row(map, language);
  if (layer.languages.size() > 1) {
    const LanguageLoad all = all_languages(layer);
    if (all.tokens > 0) {
      add_row(map, all);
      map.total = true;
    }
  }
  return map;
}

std::string heat_maps(const RunMetrics& run) {
  std::vector<HeatMap> maps;
  double high = 0;
  std::size_t experts = 0;
  for (const LayerLoad& layer : run.experts.back().layers) {
    HeatMap map = layer_map(layer);
    experts = std::max(experts, map.columns.size());
    for (const auto& row : map.values) {
      for (const double value : row) high = std::max(high, std::isfinite(value) ? value : 0);
    }
    maps.push_back(std::move(map));
  }
  std::string html;
  for (HeatMap& map : maps) {
    map.high = high;
    html += render(map);
  }
  if (html.empty()) return "";
  const double even = 1.0 / static_cast<double>(experts);
  return heat_legend(
             "0%", as_percent(high / 100),
             fmt::format("of a language's tokens go to the expert; an even share is {}. The gate's entropy is at "
                         "most ln {} = {} nats; lower is more decided.",
                         as_percent(even), experts, with_decimals(std::log(static_cast<double>(experts)), 2))) +
         "<div class=\"grid\">\n" + html + "</div>\n";
}

/// A number of every layer (mean over its languages) along the updates.
std::string layer_curves(const RunMetrics& run, const std::string& title, const std::string& unit,
                         double LanguageLoad::*field, double scale) {
  if (run.experts.size() < 2) return "";
  LineChart chart;
  chart.title = title;
  chart.x_label = "update";
  chart.y_label = unit;
  chart.from_zero = true;
  const auto& layers = run.experts.back().layers;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Series series;
    series.name = layers[i].name;
    series.color = i;
    for (const ExpertsRecord& record : run.experts) {
      const auto layer = std::find_if(record.layers.begin(), record.layers.end(),
                                      [&](const LayerLoad& other) { return other.name == layers[i].name; });
      if (layer == record.layers.end()) continue;
      series.x.push_back(record.update);
      series.y.push_back(scale * (all_languages(*layer).*field));
    }
    chart.series.push_back(std::move(series));
  }
  return render(chart);
}

}  // namespace

std::string experts_section(const std::vector<RunMetrics>& runs) {
  std::string content;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunMetrics& run = runs[i];
    if (run.experts.empty()) continue;
    if (runs.size() > 1) content += "<h3>" + run_label(runs, i) + "</h3>\n";
    content += heat_maps(run);
    const std::string curves = layer_curves(run, "Dropped tokens", "% of the tokens", &LanguageLoad::dropped, 100) +
                               layer_curves(run, "Entropy of the gate", "nats", &LanguageLoad::entropy, 1);
    if (!curves.empty()) content += "<div class=\"grid\">\n" + curves + "</div>\n";
  }
  return section("experts", "Expert load by language",
                 "Which experts the gate sends each language's tokens to, at the last validation, for each "
                 "Mixture-of-Experts layer.",
                 content);
}

}  // namespace polymoe
