#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/core.h>

#include "polymoe/report/html.h"
#include "polymoe/report/line_chart.h"
#include "polymoe/report/sections.h"

namespace polymoe {
namespace {

template <typename T>
std::vector<double> column(const std::vector<T>& records, double T::*field) {
  std::vector<double> values;
  for (const T& record : records) values.push_back(record.*field);
  return values;
}

/// How many neighbours on each side a smoothed curve averages over.
std::size_t reach_of(std::size_t records) { return std::min<std::size_t>(records / 40, 50); }

std::string chart_of(const std::string& title, const std::string& unit, std::vector<Series> series, bool from_zero) {
  LineChart chart;
  chart.title = title;
  chart.x_label = "update";
  chart.y_label = unit;
  for (Series& one : series) chart.series.push_back(thinned(std::move(one)));
  chart.from_zero = from_zero;
  return render(chart);
}

/// One run: training and validation in one chart, to see overfitting.
std::string loss_chart(const RunMetrics& run) {
  const std::vector<double> updates = column(run.train, &TrainRecord::update);
  const std::vector<double> losses = column(run.train, &TrainRecord::loss);
  const std::size_t reach = reach_of(losses.size());
  std::vector<Series> series;
  if (reach > 0) series.push_back({"training, as logged", updates, losses, 0, Series::Look::kFaint});
  series.push_back({reach > 0 ? "training, smoothed" : "training", updates, smoothed(losses, reach)});
  series.push_back({"validation", column(run.valid, &ValidRecord::update), column(run.valid, &ValidRecord::loss), 1,
                    Series::Look::kMarked});
  return chart_of("Loss", "nats per target token", std::move(series), false);
}

/// Several runs: a chart of its own for the validation.
std::string valid_loss_chart(const std::vector<RunMetrics>& runs) {
  std::vector<Series> series;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    series.push_back({runs[i].name, column(runs[i].valid, &ValidRecord::update),
                      column(runs[i].valid, &ValidRecord::loss), i, Series::Look::kMarked});
  }
  return chart_of("Validation loss", "nats per target token", std::move(series), false);
}

/// A chart of one number of the training records, a curve for each run.
std::string train_chart(const std::vector<RunMetrics>& runs, const std::string& title, const std::string& unit,
                        double TrainRecord::*field, bool smooth, bool from_zero) {
  std::vector<Series> series;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::vector<double> updates = column(runs[i].train, &TrainRecord::update);
    const std::vector<double> values = column(runs[i].train, field);
    const std::size_t reach = smooth ? reach_of(values.size()) : 0;
    const bool several = runs.size() > 1;
    if (reach > 0 && !several) series.push_back({"", updates, values, i, Series::Look::kFaint});
    series.push_back({several ? runs[i].name : "", updates, smoothed(values, reach), i});
  }
  return chart_of(title, unit, std::move(series), from_zero);
}

std::string task_chart(const std::vector<RunMetrics>& runs) {
  std::set<std::string> tasks;
  for (const RunMetrics& run : runs) {
    for (const TrainRecord& record : run.train) {
      for (const auto& [task, loss] : record.tasks) tasks.insert(task);
    }
  }
  if (tasks.size() < 2) return "";  // one task's loss is the loss
  std::vector<Series> series;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    std::size_t number = 0;
    for (const std::string& task : tasks) {
      std::vector<double> losses;
      for (const TrainRecord& record : runs[i].train) {
        const auto found = record.tasks.find(task);
        losses.push_back(found == record.tasks.end() ? kMissing : found->second.loss);
      }
      const bool several = runs.size() > 1;
      const auto look = several && number % 2 == 1 ? Series::Look::kDashed : Series::Look::kLine;
      series.push_back({several ? runs[i].name + ": " + task : task, column(runs[i].train, &TrainRecord::update),
                        smoothed(losses, reach_of(losses.size())), several ? i : number, look});
      ++number;
    }
  }
  return chart_of("Loss by task", "nats per target token", std::move(series), false);
}

}  // namespace

std::string training_section(const std::vector<RunMetrics>& runs) {
  std::string charts;
  if (runs.size() == 1) {
    charts += loss_chart(runs[0]);
  } else {
    charts += train_chart(runs, "Training loss", "nats per target token", &TrainRecord::loss, true, false);
    charts += valid_loss_chart(runs);
  }
  charts += train_chart(runs, "Learning rate", "learning rate", &TrainRecord::learning_rate, false, true);
  charts += task_chart(runs);
  charts += train_chart(runs, "Speed", "target tokens per second", &TrainRecord::tokens_per_second, true, true);
  charts += train_chart(runs, "Gradient norm", "norm before clipping", &TrainRecord::gradient_norm, true, true);
  charts +=
      train_chart(runs, "Balance loss of the experts", "1 = evenly loaded", &TrainRecord::balance_loss, true, false);
  if (charts.empty()) return "";
  return section("training", "Training", "", "<div class=\"grid\">\n" + charts + "</div>\n");
}

}  // namespace polymoe
