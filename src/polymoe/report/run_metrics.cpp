#include "polymoe/report/run_metrics.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/metrics/json_object.h"
#include "polymoe/metrics/record_json.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using json = JsonObject::Json;

const char* const kRemedy = "correct or remove the damaged line";

template <typename T>
void put(std::vector<T>& records, T record) {
  while (!records.empty() && records.back().update >= record.update) records.pop_back();
  records.push_back(std::move(record));
}

void add(RunMetrics& run, RunRecord record) {
  if (run.start_time != run.start_time) run.start_time = record.time;
  run.about = std::move(record);
}
void add(RunMetrics& run, TrainRecord record) { put(run.train, std::move(record)); }
void add(RunMetrics& run, ValidRecord record) { put(run.valid, std::move(record)); }
void add(RunMetrics& run, ExpertsRecord record) { put(run.experts, std::move(record)); }
void add(RunMetrics& run, SamplesRecord record) { put(run.samples, std::move(record)); }

void read_record(const json& object, const Where& where, RunMetrics& run) {
  std::optional<MetricsRecord> found = record_of(JsonObject(object, where, "record", kRemedy));
  if (!found) return;
  std::visit([&](auto& record) { add(run, std::move(record)); }, *found);
}

void read_usage(const fs::path& path, RunMetrics& run) {
  const char* const remedy = "make it anew with `polymoe usage`";
  const Where where{path.string(), 0};
  const json object = JsonObject::parse(read_file(path), where, remedy);
  if (object.is_discarded()) throw Error("not JSON", where, remedy);
  for (const auto& [name, layer] : JsonObject(object, where, "usage", remedy).members("layers")) {
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
  for (const std::string& direction : about.directions) {
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
    const json record = JsonObject::parse(line, where, kRemedy);
    if (record.is_discarded() && !whole) break;  // still being written, or cut off by a crash
    if (record.is_discarded()) throw Error("not JSON", where, kRemedy);
    read_record(record, where, metrics);
  }
  return metrics;
}

}  // namespace polymoe
