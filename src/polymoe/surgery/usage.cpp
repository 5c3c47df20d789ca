#include "polymoe/surgery/usage.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/path_kind.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kUsageAdvice = "give what `polymoe usage` wrote, or the metrics.jsonl of a training";

GateStatistics::Shares read_shares(const json& values, const fs::path& path, const std::string& layer) {
  GateStatistics::Shares shares = values.get<std::vector<double>>();
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  const bool valid = std::all_of(shares.begin(), shares.end(), [](double x) { return x >= 0; });
  if (!valid || !std::isfinite(sum) || sum <= 0) {
    throw Error(fmt::format("the shares of {} are not numbers of at least 0 with a sum above 0", layer), {path, 0});
  }
  for (double& share : shares) share /= sum;
  return shares;
}

std::vector<double> read_confidence(const json& values, std::size_t experts, const fs::path& path,
                                    const std::string& layer) {
  std::vector<double> confidence = values.get<std::vector<double>>();
  const bool valid = confidence.size() == experts &&
                     std::all_of(confidence.begin(), confidence.end(), [](double x) { return x >= 0 && x <= 1; });
  if (!valid) throw Error(fmt::format("the confidence of {} is not a probability for each expert", layer), {path, 0});
  return confidence;
}

// "encoder.layers.1.feed_forward.moe" -> "encoder.layers.1".
std::string layer_of_name(const std::string& full_name) {
  std::size_t end = 0;
  for (int dots = 0; dots < 3 && end != std::string::npos; ++dots) end = full_name.find('.', end + (dots > 0 ? 1 : 0));
  return full_name.substr(0, end);
}

void read_rows(const json& entry, const char* heading, const fs::path& path, const std::string& layer,
               std::map<std::string, GateStatistics::Row>& rows) {
  const json counts = entry.value("counts", json::object()).value(heading, json::object());
  for (const auto& [name, shares] : entry.at(heading).items()) {
    GateStatistics::Row& row = rows[name];
    row.use = read_shares(shares, path, layer);
    const auto counted = counts.find(name);
    if (counted == counts.end() || !counted->contains("first")) continue;
    row.first = read_shares(counted->at("first"), path, layer);
    row.confidence = read_confidence(counted->at("confidence"), row.first.size(), path, layer);
  }
}

GateStatistics from_usage(const json& document, const fs::path& path) {
  GateStatistics statistics;
  for (const auto& [layer, entry] : document.at("layers").items()) {
    read_rows(entry, "directions", path, layer, statistics.directions[layer]);
    if (entry.contains("languages")) read_rows(entry, "languages", path, layer, statistics.languages[layer]);
  }
  return statistics;
}

GateStatistics from_record(const json& record, const fs::path& path) {
  GateStatistics statistics;
  for (const json& entry : record.at("layers")) {
    const std::string layer = layer_of_name(entry.at("name").get<std::string>());
    for (const auto& [language, counted] : entry.at("languages").items()) {
      if (counted.at("tokens").get<double>() == 0) continue;
      statistics.languages[layer][language].use = read_shares(counted.at("load"), path, layer);
    }
  }
  statistics.directions = statistics.languages;
  return statistics;
}

// The last record of a validation that counted experts. A line that is cut short may be the last.
std::optional<json> last_experts_record(const fs::path& path) {
  std::optional<json> last;
  LineReader reader(path.string(), std::size_t{1} << 28);
  for (std::string line; reader.next(line);) {
    json record = try_parse_json(line);
    if (record.is_object() && record.value("type", "") == "experts") last = std::move(record);
  }
  return last;
}

bool matches(const std::string& pattern, const std::string& key) {
  return fnmatch(pattern.c_str(), key.c_str(), 0) == 0;
}

// A key is a direction, TASK:DIRECTION, or, from a training's log, a language.
bool is_wanted(const std::string& wanted, const std::string& key, bool in_encoder) {
  const std::size_t colon = key.find(':');
  if (colon != std::string::npos && wanted.find(':') == std::string::npos) {
    return is_wanted(wanted, key.substr(colon + 1), in_encoder);
  }
  const std::size_t dash = wanted.find('-');
  if (key.find('-') == std::string::npos && dash != std::string::npos) {
    return matches(in_encoder ? wanted.substr(0, dash) : wanted.substr(dash + 1), key);
  }
  return matches(wanted, key) ||
         (dash == std::string::npos && (matches(wanted + "-*", key) || matches("*-" + wanted, key)));
}

std::vector<double> metric_of(const GateStatistics::Row& row, ExpertMetric metric) {
  if (metric == ExpertMetric::kUse) return row.use;
  std::vector<double> values = row.first;
  if (metric == ExpertMetric::kActivity) return values;
  for (std::size_t e = 0; e < values.size(); ++e) values[e] *= std::exp(row.confidence[e]);
  return values;
}

}  // namespace

GateStatistics GateStatistics::read(const fs::path& path) {
  const fs::path file = is_folder(path) ? path / "metrics.jsonl" : path;
  try {
    if (file.extension() != ".jsonl") return from_usage(parse_json(read_file(file)), file);
    const std::optional<json> record = last_experts_record(file);
    if (record) return from_record(*record, file);
  } catch (const json::exception& error) {
    throw Error(fmt::format("tells no use of experts: {}", error.what()), {file, 0}, kUsageAdvice);
  }
  throw Error("holds no validation that counted experts", {file, 0}, kUsageAdvice);
}

std::vector<double> GateStatistics::score(const std::string& layer, std::int64_t experts,
                                          const std::vector<std::string>& wanted, ExpertMetric metric,
                                          UsageHeading heading) const {
  const Rows& rows = heading == UsageHeading::kLanguage ? languages : directions;
  const auto found = rows.find(layer);
  if (found == rows.end()) fail("the use of experts tells nothing of {}", layer);
  std::vector<double> sum(static_cast<std::size_t>(experts));
  double count = 0;
  const bool in_encoder = layer.starts_with("encoder");
  for (const auto& [key, row] : found->second) {
    const auto is = [&, &name = key](const std::string& pattern) { return is_wanted(pattern, name, in_encoder); };
    if (!wanted.empty() && std::none_of(wanted.begin(), wanted.end(), is)) continue;
    const std::vector<double> values = metric_of(row, metric);
    if (values.empty()) {
      throw Error(fmt::format("the use of experts has no first choices for {}, which {} needs", key, word_of(metric)),
                  {}, "measure it with `polymoe usage`");
    }
    if (values.size() != sum.size()) {
      fail("the use of experts has {} shares for {}, which has {} experts", values.size(), layer, experts);
    }
    for (std::size_t e = 0; e < sum.size(); ++e) sum[e] += values[e];
    ++count;
  }
  if (count == 0) {
    std::vector<std::string> known;
    for (const auto& [key, row] : found->second) known.push_back(key);
    fail("the use of experts in {} has nothing for {}; it has {}", layer, fmt::join(wanted, ","),
         fmt::join(known, ","));
  }
  for (double& value : sum) value /= count;
  return sum;
}

}  // namespace polymoe
