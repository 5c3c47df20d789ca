#include "report/run_metrics.h"

#include <algorithm>
#include <string_view>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/path_kind.h"
#include "report/record.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using json = Record::Json;

const char* const kRemedy = "correct or remove the damaged line";

void flatten_config(const json& value, const std::string& key,
                    std::vector<std::pair<std::string, std::string>>& config) {
  if (value.is_object()) {
    for (const auto& [name, member] : value.items())
      flatten_config(member, key.empty() ? name : key + "." + name, config);
    return;
  }
  std::string text;
  if (value.is_array()) {
    for (const json& item : value)
      text += (text.empty() ? "" : ", ") + (item.is_string() ? item.get<std::string>() : item.dump());
  } else {
    text = value.is_string() ? value.get<std::string>() : value.dump();
  }
  config.emplace_back(key, text);
}

void read_run(const Record& record, RunMetrics& run) {
  if (run.start_time != run.start_time) run.start_time = record.number("time");
  run.parameters = record.number("parameters");
  run.active_parameters = record.number("active_parameters");
  run.languages = record.texts("languages");
  run.directions = record.texts("directions");
  run.config.clear();
  record.members("config");  // checks the sections
  if (record.object().contains("config")) flatten_config(record.object()["config"], "", run.config);
}

TrainRecord read_train(const Record& record) {
  TrainRecord train;
  train.update = record.number("update");
  train.time = record.number("time");
  train.seconds = record.number("seconds");
  train.loss = record.number("loss");
  train.nll = record.number("nll");
  train.balance_loss = record.number("balance_loss");
  train.learning_rate = record.number("learning_rate");
  train.gradient_norm = record.number("gradient_norm");
  train.tokens = record.number("tokens");
  train.tokens_per_second = record.number("tokens_per_second");
  for (const auto& [task, values] : record.members("tasks")) train.task_losses[task] = values.number("loss");
  return train;
}

ValidRecord read_valid(const Record& record) {
  ValidRecord valid;
  valid.update = record.number("update");
  valid.loss = record.number("loss");
  valid.bleu = record.number("bleu");
  valid.chrf = record.number("chrf");
  valid.best = record.flag("best");
  for (const auto& [direction, values] : record.members("directions")) {
    valid.directions[direction] = {values.number("loss"), values.number("bleu"), values.number("chrf"),
                                   values.number("chrf_copy"), values.number("segments")};
  }
  for (const auto& [task, values] : record.members("tasks")) {
    valid.tasks[task] = {values.number("loss"),   values.number("segments"), values.number("chrf"),
                         values.number("rouge1"), values.number("rouge2"),   values.number("rougeL")};
  }
  return valid;
}

ExpertsRecord read_experts(const Record& record) {
  ExpertsRecord experts{record.number("update"), {}};
  for (const Record& layer : record.records("layers")) {
    LayerLoad load{layer.text("name"), {}};
    for (const auto& [language, values] : layer.members("languages")) {
      load.languages.push_back({language, values.number("tokens"), values.numbers("load"), values.number("dropped"),
                                values.number("entropy")});
    }
    experts.layers.push_back(std::move(load));
  }
  return experts;
}

SamplesRecord read_samples(const Record& record) {
  SamplesRecord samples{record.number("update"), {}};
  for (const Record& sample : record.records("samples")) {
    samples.samples.push_back({sample.text("task"), sample.text("direction"), sample.text("source"),
                               sample.text("reference"), sample.text("translation")});
  }
  return samples;
}

template <typename T>
void add(std::vector<T>& records, T record) {
  while (!records.empty() && records.back().update >= record.update) records.pop_back();
  records.push_back(std::move(record));
}

void read_record(const json& object, const Where& where, RunMetrics& run) {
  const Record record(object, where, "record", kRemedy);
  const std::string type = record.text("type");
  if (type == "run") return read_run(record, run);
  const bool known = type == "train" || type == "valid" || type == "experts" || type == "samples";
  if (!known) return;
  if (record.number("update") != record.number("update")) {
    throw Error("no \"update\" in a record of type " + type, where, kRemedy);
  }
  if (type == "train") add(run.train, read_train(record));
  if (type == "valid") add(run.valid, read_valid(record));
  if (type == "experts") add(run.experts, read_experts(record));
  if (type == "samples") add(run.samples, read_samples(record));
}

void read_usage(const fs::path& path, RunMetrics& run) {
  const char* const remedy = "make it anew with `polymoe usage`";
  const Where where{path.string(), 0};
  const json object = Record::parse(read_file(path), where, remedy);
  if (object.is_discarded()) throw Error("not JSON", where, remedy);
  for (const auto& [name, layer] : Record(object, where, "usage", remedy).members("layers")) {
    for (auto& [direction, shares] : layer.number_lists("directions")) run.direction_usage[name][direction] = shares;
    for (auto& [task, shares] : layer.number_lists("tasks")) run.task_usage[name][task] = shares;
    for (auto& [language, shares] : layer.number_lists("languages")) run.language_usage[name][language] = shares;
  }
}

std::string run_name(const fs::path& run) {
  fs::path path = fs::absolute(run).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "runs/a/" ends with an empty name
  return path.filename().string();
}

}  // namespace

const ValidRecord* RunMetrics::best() const {
  const auto marked = std::find_if(valid.rbegin(), valid.rend(), [](const ValidRecord& record) { return record.best; });
  if (marked != valid.rend()) return &*marked;
  const auto value = [](const ValidRecord& record) { return record.chrf == record.chrf ? record.chrf : -1.0; };
  const auto highest = std::max_element(
      valid.begin(), valid.end(), [&](const ValidRecord& a, const ValidRecord& b) { return value(a) < value(b); });
  return highest == valid.end() ? nullptr : &*highest;
}

std::vector<std::string> RunMetrics::scored_directions() const {
  std::map<std::string, bool> listed;  // the directions of any validation; true once they are in the result
  for (const ValidRecord& record : valid) {
    for (const auto& [direction, scores] : record.directions) listed.emplace(direction, false);
  }
  std::vector<std::string> ordered;
  for (const std::string& direction : directions) {
    const auto found = listed.find(direction);
    if (found == listed.end() || found->second) continue;
    found->second = true;
    ordered.push_back(direction);
  }
  for (const auto& [direction, done] : listed) {
    if (!done) ordered.push_back(direction);
  }
  return ordered;
}

RunMetrics read_run_metrics(const fs::path& run) {
  const fs::path path = run / "metrics.jsonl";
  if (!is_plain_file(path)) {
    throw Error("there is no such file", {path.string(), 0}, "name a folder that `polymoe train` has written to");
  }
  RunMetrics metrics;
  metrics.name = run_name(run);
  if (path_exists(run / "usage.json")) read_usage(run / "usage.json", metrics);
  const MappedFile file(path);
  std::string_view rest(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  Where where{path.string(), 0};
  while (!rest.empty()) {
    ++where.line;
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    const bool whole = end != std::string_view::npos;
    rest.remove_prefix(whole ? end + 1 : rest.size());
    const json record = Record::parse(line, where, kRemedy);
    if (record.is_discarded() && !whole) break;  // still being written, or cut off by a crash
    if (record.is_discarded()) throw Error("not JSON", where, kRemedy);
    read_record(record, where, metrics);
  }
  return metrics;
}

}  // namespace polymoe
