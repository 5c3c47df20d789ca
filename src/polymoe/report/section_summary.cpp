#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/core.h>

#include "polymoe/base/numbers.h"
#include "polymoe/report/html.h"
#include "polymoe/report/sections.h"

namespace polymoe {
namespace {

/// One figure of a run: how it reads, and where runs are compared, which of them is best.
struct Fact {
  enum class Better { kNone, kHigher, kLower };

  const char* name;
  std::function<double(const RunMetrics&)> value;
  std::function<std::string(double)> text;
  Better better = Better::kNone;
};

double last_train(const RunMetrics& run, double TrainRecord::*field) {
  return run.train.empty() ? kMissing : run.train.back().*field;
}

double best_valid(const RunMetrics& run, double ValidRecord::*field) {
  const ValidRecord* best = run.best();
  return best == nullptr ? kMissing : best->*field;
}

/// The mean of the copy baseline over the directions that have one.
double copy_chrf(const RunMetrics& run) {
  const ValidRecord* best = run.best();
  double sum = 0, count = 0;
  if (best != nullptr) {
    for (const auto& [direction, scores] : best->directions) {
      if (std::isfinite(scores.chrf_copy)) sum += scores.chrf_copy, ++count;
    }
  }
  return count > 0 ? sum / count : kMissing;
}

double experts_of(const RunMetrics& run) {
  double most = 0;
  if (run.experts.empty()) return 0;
  for (const LayerLoad& layer : run.experts.back().layers) {
    for (const LanguageLoad& language : layer.languages)
      most = std::max(most, static_cast<double>(language.load.size()));
  }
  return most;
}

double speed(const RunMetrics& run) {
  const double seconds = last_train(run, &TrainRecord::seconds), tokens = last_train(run, &TrainRecord::tokens);
  return seconds > 0 && std::isfinite(tokens) ? tokens / seconds : last_train(run, &TrainRecord::tokens_per_second);
}

std::vector<Fact> facts() {
  const auto decimals = [](int count) { return [count](double value) { return with_decimals(value, count); }; };
  using Better = Fact::Better;
  return {
      {"chrF", [](const auto& run) { return best_valid(run, &ValidRecord::chrf); }, decimals(1), Better::kHigher},
      {"chrF of copying the source", copy_chrf, decimals(1)},
      {"BLEU", [](const auto& run) { return best_valid(run, &ValidRecord::bleu); }, decimals(1), Better::kHigher},
      {"validation loss", [](const auto& run) { return best_valid(run, &ValidRecord::loss); }, decimals(3),
       Better::kLower},
      {"training loss", [](const auto& run) { return last_train(run, &TrainRecord::loss); }, decimals(3)},
      {"parameters", [](const auto& run) { return run.about.parameters; }, with_suffix},
      {"of them used per token", [](const auto& run) { return run.about.active_parameters; }, with_suffix},
      {"updates", [](const auto& run) { return last_train(run, &TrainRecord::update); }, with_commas},
      {"target tokens", [](const auto& run) { return last_train(run, &TrainRecord::tokens); }, with_suffix},
      {"training time", [](const auto& run) { return last_train(run, &TrainRecord::seconds); }, as_duration},
      {"tokens/s", speed, with_commas, Better::kHigher},
  };
}

std::string tile(const std::string& value, const char* name, const std::string& note) {
  const std::string below = note.empty() ? "" : "<small>" + note + "</small>";
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span>{}</div>\n", value, name, below);
}

std::string tiles(const RunMetrics& run) {
  const auto noted = [](double value, auto text, const char* format) {
    return std::isfinite(value) ? fmt::format(fmt::runtime(format), text(value)) : "";
  };
  const auto one_decimal = [](double value) { return with_decimals(value, 1); };
  const auto three_decimals = [](double value) { return with_decimals(value, 3); };
  std::string html;
  if (const ValidRecord* best = run.best(); best != nullptr) {
    if (std::isfinite(best->chrf)) {
      html += tile(with_decimals(best->chrf, 1), "chrF", noted(copy_chrf(run), one_decimal, "copying the source: {}"));
    }
    if (std::isfinite(best->bleu)) {
      html += tile(with_decimals(best->bleu, 1), "BLEU", best->directions.size() > 1 ? "mean of the directions" : "");
    }
  }
  const double valid_loss = best_valid(run, &ValidRecord::loss), train_loss = last_train(run, &TrainRecord::loss);
  if (std::isfinite(valid_loss)) {
    html +=
        tile(three_decimals(valid_loss), "validation loss", noted(train_loss, three_decimals, "training, last: {}"));
  } else if (std::isfinite(train_loss)) {
    html += tile(three_decimals(train_loss), "training loss", "last");
  }
  if (std::isfinite(run.about.parameters)) {
    const bool sparse = run.about.active_parameters < run.about.parameters;
    html += tile(with_suffix(run.about.parameters), "parameters",
                 sparse ? noted(run.about.active_parameters, with_suffix, "{} used per token") : "");
  }
  if (!run.train.empty()) {
    html += tile(with_commas(run.train.back().update), "updates",
                 noted(run.train.back().tokens, with_suffix, "{} target tokens"));
    if (std::isfinite(run.train.back().seconds)) {
      html +=
          tile(as_duration(run.train.back().seconds), "training time", noted(speed(run), with_commas, "{} tokens/s"));
    }
  }
  return html.empty() ? "" : "<div class=\"tiles\">\n" + html + "</div>\n";
}

std::string comparison(const std::vector<RunMetrics>& runs) {
  Table table;
  table.header = {""};
  for (std::size_t i = 0; i < runs.size(); ++i) table.header.push_back(run_label(runs, i));
  for (const Fact& fact : facts()) {
    std::vector<double> values;
    for (const RunMetrics& run : runs) values.push_back(fact.value(run));
    double best = kMissing;
    for (const double value : values) {
      const bool ahead = fact.better == Fact::Better::kHigher ? value > best : value < best;
      if (fact.better != Fact::Better::kNone && std::isfinite(value) && (!std::isfinite(best) || ahead)) best = value;
    }
    std::vector<std::string> row = {fact.name};
    for (const double value : values) {
      row.push_back(value == best ? "<strong>" + fact.text(value) + "</strong>" : fact.text(value));
    }
    if (std::any_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); }))
      table.rows.push_back(row);
  }
  return "<div class=\"summary\">" + render(table) + "</div>\n";
}

std::string counted(std::size_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string kind_of_model(const RunMetrics& run) {
  const double experts = experts_of(run);
  if (experts == 0) return "Encoder-decoder translation model";
  return fmt::format("Mixture-of-Experts translation model with {:.0f} experts in {}", experts,
                     counted(run.experts.back().layers.size(), "layer"));
}

std::string chips(const std::vector<RunMetrics>& runs) {
  std::vector<std::string> languages;
  for (const RunMetrics& run : runs) {
    for (const std::string& language : run.about.languages) {
      if (std::find(languages.begin(), languages.end(), language) == languages.end()) languages.push_back(language);
    }
  }
  std::string html;
  for (const std::string& language : languages) html += "<span>" + escape_html(language) + "</span>";
  return html.empty() ? "" : "<p class=\"chips\" aria-label=\"Languages\">" + html + "</p>\n";
}

}  // namespace

std::string run_label(const std::vector<RunMetrics>& runs, std::size_t index) {
  return (runs.size() > 1 ? swatch(index) : "") + escape_html(runs[index].name);
}

std::string summary_header(const std::vector<RunMetrics>& runs) {
  const RunMetrics& first = runs.front();
  if (runs.size() > 1) {
    return fmt::format("<header><h1>{} training runs compared</h1>\n{}</header>\n{}", runs.size(), chips(runs),
                       comparison(runs));
  }
  std::string line = kind_of_model(first);
  if (!first.about.languages.empty()) line += ", " + counted(first.about.languages.size(), "language");
  if (!first.about.directions.empty()) line += ", " + counted(first.about.directions.size(), "direction");
  if (std::isfinite(first.start_time)) line += ". Started " + as_utc(first.start_time);
  const ValidRecord* best = first.best();
  if (best != nullptr) line += fmt::format("; scores are those of update {}", with_commas(best->update));
  return fmt::format("<header><h1>{}</h1>\n<p>{}.</p>\n{}</header>\n{}", escape_html(first.name), line, chips(runs),
                     tiles(first));
}

}  // namespace polymoe
