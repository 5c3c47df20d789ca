#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/core.h>

#include "polymoe/base/numbers.h"
#include "polymoe/report/bar_chart.h"
#include "polymoe/report/heat_map.h"
#include "polymoe/report/html.h"
#include "polymoe/report/line_chart.h"
#include "polymoe/report/sections.h"

namespace polymoe {
namespace {

constexpr std::size_t kMostBars = 40;
constexpr std::size_t kMostSmallCharts = 24;

const Scores* scores_of(const ValidRecord* record, const std::string& direction) {
  if (record == nullptr) return nullptr;
  const auto found = record->directions.find(direction);
  return found == record->directions.end() ? nullptr : &found->second;
}

double score(const ValidRecord* record, const std::string& direction, double Scores::*field) {
  const Scores* scores = scores_of(record, direction);
  return scores == nullptr ? kMissing : scores->*field;
}

/// The directions of all runs, the first run's first.
std::vector<std::string> all_directions(const std::vector<RunMetrics>& runs) {
  std::vector<std::string> directions;
  std::set<std::string> known;
  for (const RunMetrics& run : runs) {
    for (const std::string& direction : run.scored_directions()) {
      if (known.insert(direction).second) directions.push_back(direction);
    }
  }
  return directions;
}

/// A score over the updates; `small` charts share their range so that they compare.
std::string curve_chart(const std::vector<RunMetrics>& runs, const std::string& title, const std::string& unit,
                        double (*value)(const ValidRecord&, const std::string&), const std::string& direction,
                        bool small, double high) {
  LineChart chart;
  chart.title = title;
  chart.x_label = "update";
  chart.y_label = unit;
  chart.small = small;
  chart.from_zero = true;
  chart.y_high = high;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    Series series;
    series.color = i;
    series.look = Series::Look::kMarked;
    if (runs.size() > 1 && !small) series.name = runs[i].name;
    for (const ValidRecord& record : runs[i].valid) {
      series.x.push_back(record.update);
      series.y.push_back(value(record, direction));
    }
    if (!small && runs[i].best() != nullptr) series.best_x = runs[i].best()->update;
    chart.series.push_back(std::move(series));
  }
  return render(chart);
}

double mean_chrf(const ValidRecord& record, const std::string&) { return record.chrf; }
double mean_bleu(const ValidRecord& record, const std::string&) { return record.bleu; }
double direction_chrf(const ValidRecord& record, const std::string& direction) {
  return score(&record, direction, &Scores::chrf);
}

std::string bars(const std::vector<RunMetrics>& runs, const std::vector<std::string>& directions,
                 const std::string& metric, double Scores::*field, double Scores::*mark) {
  BarChart chart;
  chart.title = metric + " by direction";
  chart.unit = metric;
  chart.mark_name = "copying the source";
  for (const RunMetrics& run : runs) chart.names.push_back(run.name);
  for (const std::string& direction : directions) {
    BarRow row{direction_label(direction), {}, kMissing};
    for (const RunMetrics& run : runs) {
      row.values.push_back(score(run.best(), direction, field));
      if (mark != nullptr && !std::isfinite(row.mark)) row.mark = score(run.best(), direction, mark);
    }
    if (chart.rows.size() < kMostBars) chart.rows.push_back(std::move(row));
  }
  return render(chart);
}

std::string signed_cell(double difference) {
  const char* kind = difference > 0 ? "gain" : difference < 0 ? "loss" : "";
  return fmt::format("<span class=\"{}\">{}</span>", kind, with_sign(difference, 1));
}

double mean_of(const std::vector<double>& values) {
  double sum = 0, count = 0;
  for (const double value : values) {
    if (std::isfinite(value)) sum += value, ++count;
  }
  return count > 0 ? sum / count : kMissing;
}

/// Side by side: chrF of each run (and how far the others are from the first), the copy baseline, BLEU, loss.
std::string score_table(const std::vector<RunMetrics>& runs, const std::vector<std::string>& directions) {
  struct Column {
    std::string heading;
    std::vector<double> values;
    int decimals;  // -1: a signed difference; -2: a count
  };
  constexpr int kDifference = -1, kCount = -2;
  const auto values_of = [&](const RunMetrics& run, double Scores::*field) {
    std::vector<double> values;
    for (const std::string& direction : directions) values.push_back(score(run.best(), direction, field));
    return values;
  };
  const auto minus = [](std::vector<double> values, const std::vector<double>& others) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= others[i];
    return values;
  };
  const auto headed = [&](const std::string& name, std::size_t run) {
    return runs.size() > 1 ? name + "<br>" + run_label(runs, run) : name;
  };

  std::vector<Column> columns;
  columns.push_back({"segments", values_of(runs[0], &Scores::segments), kCount});
  const std::vector<double> first = values_of(runs[0], &Scores::chrf);
  const std::vector<double> copied = values_of(runs[0], &Scores::chrf_copy);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    columns.push_back({headed("chrF", i), values_of(runs[i], &Scores::chrf), 1});
    if (i > 0) columns.push_back({"difference", minus(columns.back().values, first), kDifference});
  }
  columns.push_back({"chrF of copying", copied, 1});
  if (runs.size() == 1) columns.push_back({"gain", minus(first, copied), kDifference});
  for (std::size_t i = 0; i < runs.size(); ++i) {
    columns.push_back({headed("BLEU", i), values_of(runs[i], &Scores::bleu), 1});
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    columns.push_back({headed("loss", i), values_of(runs[i], &Scores::loss), 3});
  }
  std::erase_if(columns, [](const Column& column) { return !std::isfinite(mean_of(column.values)); });

  const auto cell = [](double value, int decimals) {
    if (decimals == kDifference) return signed_cell(value);
    return decimals == kCount ? with_commas(value) : with_decimals(value, decimals);
  };
  Table table;
  table.header = {"direction"};
  for (const Column& column : columns) table.header.push_back(column.heading);
  for (std::size_t row = 0; row < directions.size(); ++row) {
    table.rows.push_back({escape_html(direction_label(directions[row]))});
    for (const Column& column : columns) table.rows.back().push_back(cell(column.values[row], column.decimals));
  }
  if (directions.size() > 1) {
    table.rows.push_back({"mean"});
    for (const Column& column : columns) {
      table.rows.back().push_back(column.decimals == kCount ? "" : cell(mean_of(column.values), column.decimals));
    }
    table.total = true;
  }
  return render(table);
}

std::string small_charts(const std::vector<RunMetrics>& runs, const std::vector<std::string>& directions) {
  const bool over_time =
      std::any_of(runs.begin(), runs.end(), [](const RunMetrics& run) { return run.valid.size() > 1; });
  if (!over_time || directions.size() < 2) return "";
  double high = 0;
  for (const RunMetrics& run : runs) {
    for (const ValidRecord& record : run.valid) {
      for (const std::string& direction : directions) {
        const double value = direction_chrf(record, direction);
        if (std::isfinite(value)) high = std::max(high, value);
      }
    }
  }
  std::string charts;
  for (std::size_t i = 0; i < std::min(directions.size(), kMostSmallCharts); ++i) {
    charts += curve_chart(runs, direction_label(directions[i]), "chrF", direction_chrf, directions[i], true, high);
  }
  if (charts.empty()) return "";
  return "<h3>chrF over the updates, by direction</h3>\n<div class=\"grid few\">\n" + charts + "</div>\n";
}

/// One score for every pair of languages.
HeatMap matrix(const RunMetrics& run, const std::string& title, double Scores::*field,
               const std::vector<std::string>& sources, const std::vector<std::string>& targets) {
  HeatMap map;
  map.title = title;
  map.corner = "from \\ into";
  map.rows = sources;
  map.columns = targets;
  double low = kMissing, high = kMissing;
  for (const std::string& source : sources) {
    map.values.emplace_back();
    for (const std::string& target : targets) {
      const double value = score(run.best(), source + "-" + target, field);
      map.values.back().push_back(value);
      low = std::fmin(low, value);
      high = std::fmax(high, value);
    }
  }
  // The lowest score keeps some colour, so that it differs from an empty cell.
  map.low = low - 0.3 * (high - low);
  map.high = high;
  return map;
}

/// chrF and BLEU from every language into every other one, where there are enough of both to be worth a table.
std::string matrices(const RunMetrics& run, const std::vector<std::string>& directions) {
  std::vector<std::string> sources, targets;
  const auto add = [](std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const std::string& direction : directions) {
    const std::size_t dash = direction.find('-');
    if (dash == std::string::npos) return "";
    add(sources, direction.substr(0, dash));
    add(targets, direction.substr(dash + 1));
  }
  if (sources.size() < 3 || targets.size() < 3) return "";
  // One order for both sides keeps a language with itself on the diagonal.
  std::stable_sort(targets.begin(), targets.end(), [&](const std::string& a, const std::string& b) {
    return std::find(sources.begin(), sources.end(), a) < std::find(sources.begin(), sources.end(), b);
  });
  return "<div class=\"grid\">\n" + render(matrix(run, "chrF by source and target", &Scores::chrf, sources, targets)) +
         render(matrix(run, "BLEU by source and target", &Scores::bleu, sources, targets)) + "</div>\n";
}

}  // namespace

std::string quality_section(const std::vector<RunMetrics>& runs) {
  std::string content;
  const std::vector<std::string> directions = all_directions(runs);
  std::string charts = curve_chart(runs, "chrF, mean of the directions", "chrF", mean_chrf, "", false, 0);
  charts += curve_chart(runs, "BLEU, mean of the directions", "BLEU", mean_bleu, "", false, 0);
  charts += bars(runs, directions, "chrF", &Scores::chrf, &Scores::chrf_copy);
  charts += bars(runs, directions, "BLEU", &Scores::bleu, nullptr);
  if (!charts.empty()) content = "<div class=\"grid\">\n" + charts + "</div>\n";
  if (runs.size() == 1) content += matrices(runs[0], directions);
  if (directions.size() > kMostBars) {
    content += fmt::format(
        "<details><summary>The scores of all {} directions; the bars show the first {}</summary>\n{}</details>\n",
        directions.size(), kMostBars, score_table(runs, directions));
  } else if (!directions.empty()) {
    content += score_table(runs, directions);
  }
  content += task_scores(runs);
  content += small_charts(runs, directions);
  return section("quality", "Translation quality",
                 "On validation data. A ring marks the best validation, whose scores the bars and the table show.",
                 content);
}

}  // namespace polymoe
