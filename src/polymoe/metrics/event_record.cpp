#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "polymoe/metrics/event_file.h"

namespace polymoe {
namespace {

/// Scalars by tag. Of numbers that need not be there, missing ones are left out; others keep their place on the curve
/// where they are not finite, which TensorBoard marks.
class Scalars {
 public:
  std::vector<ScalarValue> values;

  void add(std::string tag, double value) { values.push_back({std::move(tag), value}); }
  void add_any(std::string tag, double value) {
    if (!std::isnan(value)) add(std::move(tag), value);
  }
};

void add_scalars_of(const TrainRecord& record, Scalars& scalars) {
  scalars.add("train/loss", record.loss);
  scalars.add("train/nll", record.nll);
  scalars.add_any("train/balance_loss", record.balance_loss);
  scalars.add("train/learning_rate", record.learning_rate);
  scalars.add("train/gradient_norm", record.gradient_norm);
  scalars.add("train/tokens_per_second", record.tokens_per_second);
  for (const auto& [name, task] : record.tasks) {
    scalars.add("tasks/" + name + "/loss", task.loss);
    scalars.add("tasks/" + name + "/nll", task.nll);
  }
}

void add_scalars_of(const ValidRecord& record, Scalars& scalars) {
  scalars.add("valid/loss", record.loss);
  scalars.add_any("valid/bleu", record.bleu);
  scalars.add_any("valid/chrf", record.chrf);
  for (const auto& [direction, scores] : record.directions) {
    scalars.add("valid_loss/" + direction, scores.loss);
    scalars.add_any("valid_bleu/" + direction, scores.bleu);
    scalars.add_any("valid_chrf/" + direction, scores.chrf);
  }
  for (const auto& [name, scores] : record.tasks) {
    const std::string tag = "valid_tasks/" + name + "/";
    scalars.add(tag + "loss", scores.loss);
    scalars.add_any(tag + "chrf", scores.chrf);
    scalars.add_any(tag + "rouge1", scores.rouge1);
    scalars.add_any(tag + "rouge2", scores.rouge2);
    scalars.add_any(tag + "rougeL", scores.rouge_l);
  }
}

void add_scalars_of(const ExpertsRecord& record, Scalars& scalars) {
  for (const LayerLoad& layer : record.layers) {
    for (const LanguageLoad& language : layer.languages) {
      const std::string tag = "experts/" + layer.name + "/" + language.language + "/";
      scalars.add(tag + "dropped", language.dropped);
      scalars.add(tag + "entropy", language.entropy);
      if (language.load.empty()) continue;
      scalars.add(tag + "largest_share", *std::max_element(language.load.begin(), language.load.end()));
    }
  }
}

/// A cell of a Markdown table.
std::string cell(const std::string& content) {
  std::string text;
  for (const char c : content) {
    if (c == '|' || c == '\\') text += '\\';
    text += c == '\n' || c == '\r' ? ' ' : c;
  }
  return text;
}

std::string sample_table(const SamplesRecord& record) {
  std::string table = "| direction | source | translation | reference |\n|---|---|---|---|\n";
  for (const SampleTranslation& sample : record.samples) {
    table += "| " + (sample.task.empty() ? "" : cell(sample.task) + ": ") + cell(sample.direction) + " ";
    for (const std::string* text : {&sample.source, &sample.translation, &sample.reference}) {
      table += "| " + cell(*text) + " ";
    }
    table += "|\n";
  }
  return table;
}

}  // namespace

void EventFileWriter::add_record(const MetricsRecord& record) {
  const auto add = [this](const auto& known) {
    using Record = std::remove_cvref_t<decltype(known)>;
    if constexpr (std::is_same_v<Record, SamplesRecord>) {
      add_text("samples", sample_table(known), static_cast<std::int64_t>(known.update), known.time);
    } else if constexpr (!std::is_same_v<Record, RunRecord>) {
      Scalars scalars;
      add_scalars_of(known, scalars);
      if (!scalars.values.empty()) add_scalars(scalars.values, static_cast<std::int64_t>(known.update), known.time);
    }
  };
  std::visit(add, record);
}

}  // namespace polymoe
