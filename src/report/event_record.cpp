#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "report/event_file.h"

namespace polymoe {
namespace {

using nlohmann::json;

/// Adds object[key] under `tag`, where it has that key. null stands for a number that was not finite; TensorBoard marks
/// the place of NaN on the curve.
void add_number(const json& object, const char* key, const std::string& tag, std::vector<ScalarValue>& scalars) {
  const auto found = object.find(key);
  if (found == object.end()) return;
  scalars.push_back({tag, found->is_null() ? std::numeric_limits<double>::quiet_NaN() : found->get<double>()});
}

const json& member(const json& object, const char* key) {
  static const json kNone = json::object();
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::vector<ScalarValue> train_scalars(const json& record) {
  std::vector<ScalarValue> scalars;
  for (const char* key : {"loss", "nll", "balance_loss", "learning_rate", "gradient_norm", "tokens_per_second"}) {
    add_number(record, key, std::string("train/") + key, scalars);
  }
  for (const auto& [task, values] : member(record, "tasks").items()) {
    for (const char* key : {"loss", "nll"}) add_number(values, key, "tasks/" + task + "/" + key, scalars);
  }
  return scalars;
}

std::vector<ScalarValue> valid_scalars(const json& record) {
  std::vector<ScalarValue> scalars;
  for (const char* key : {"loss", "bleu", "chrf"}) {
    add_number(record, key, std::string("valid/") + key, scalars);
    for (const auto& [direction, values] : member(record, "directions").items()) {
      add_number(values, key, "valid_" + std::string(key) + "/" + direction, scalars);
    }
  }
  for (const auto& [task, values] : member(record, "tasks").items()) {
    for (const char* key : {"loss", "chrf", "rouge1", "rouge2", "rougeL"}) {
      add_number(values, key, "valid_tasks/" + task + "/" + key, scalars);
    }
  }
  return scalars;
}

std::vector<ScalarValue> expert_scalars(const json& record) {
  std::vector<ScalarValue> scalars;
  for (const json& layer : member(record, "layers")) {
    for (const auto& [language, values] : member(layer, "languages").items()) {
      const std::string tag = "experts/" + layer.value("name", "") + "/" + language + "/";
      add_number(values, "dropped", tag + "dropped", scalars);
      add_number(values, "entropy", tag + "entropy", scalars);
      const json& load = member(values, "load");
      if (!load.empty()) scalars.push_back({tag + "largest_share", *std::max_element(load.begin(), load.end())});
    }
  }
  return scalars;
}

/// A cell of a Markdown table.
std::string cell(const json& sample, const char* key) {
  std::string text;
  for (const char c : sample.value(key, "")) {
    if (c == '|' || c == '\\') text += '\\';
    text += c == '\n' || c == '\r' ? ' ' : c;
  }
  return text;
}

std::string sample_table(const json& record) {
  std::string table = "| direction | source | translation | reference |\n|---|---|---|---|\n";
  for (const json& sample : member(record, "samples")) {
    table += "| " + (sample.contains("task") ? cell(sample, "task") + ": " : "") + cell(sample, "direction") + " ";
    for (const char* key : {"source", "translation", "reference"}) table += "| " + cell(sample, key) + " ";
    table += "|\n";
  }
  return table;
}

}  // namespace

void EventFileWriter::add_record(const json& record) {
  const std::string type = record.value("type", "");
  const std::int64_t step = record.value("update", std::int64_t{0});
  const double time = record.value("time", 0.0);
  if (type == "samples") return add_text("samples", sample_table(record), step, time);

  std::vector<ScalarValue> scalars;
  if (type == "train") scalars = train_scalars(record);
  if (type == "valid") scalars = valid_scalars(record);
  if (type == "experts") scalars = expert_scalars(record);
  if (!scalars.empty()) add_scalars(scalars, step, time);
}

}  // namespace polymoe
