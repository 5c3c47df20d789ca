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
#include "polymoe/base/path_kind.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kUsageAdvice = "give what `polymoe usage` wrote, or the metrics.jsonl of a training";

ExpertUsage::Shares read_shares(const json& values, const fs::path& path, const std::string& layer) {
  ExpertUsage::Shares shares = values.get<std::vector<double>>();
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  const bool valid = std::all_of(shares.begin(), shares.end(), [](double x) { return x >= 0; });
  if (!valid || !std::isfinite(sum) || sum <= 0) {
    throw Error(fmt::format("the shares of {} are not numbers of at least 0 with a sum above 0", layer), {path, 0});
  }
  for (double& share : shares) share /= sum;
  return shares;
}

// "encoder.layers.1.feed_forward.moe" -> "encoder.layers.1".
std::string layer_of_place(const std::string& place) {
  std::size_t end = 0;
  for (int dots = 0; dots < 3 && end != std::string::npos; ++dots) end = place.find('.', end + (dots > 0 ? 1 : 0));
  return place.substr(0, end);
}

ExpertUsage from_usage(const json& document, const fs::path& path) {
  ExpertUsage usage;
  for (const auto& [layer, entry] : document.at("layers").items()) {
    for (const auto& [direction, shares] : entry.at("directions").items()) {
      usage.layers[layer][direction] = read_shares(shares, path, layer);
    }
  }
  return usage;
}

ExpertUsage from_record(const json& record, const fs::path& path) {
  ExpertUsage usage;
  for (const json& entry : record.at("layers")) {
    const std::string layer = layer_of_place(entry.at("name").get<std::string>());
    for (const auto& [language, counted] : entry.at("languages").items()) {
      if (counted.at("tokens").get<double>() == 0) continue;
      usage.layers[layer][language] = read_shares(counted.at("load"), path, layer);
    }
  }
  return usage;
}

// The last record of a validation that counted experts. A line that is cut short may be the last.
std::optional<json> last_experts_record(const fs::path& path) {
  std::optional<json> last;
  LineReader reader(path.string(), std::size_t{1} << 28);
  for (std::string line; reader.next(line);) {
    json record = json::parse(line, nullptr, /*allow_exceptions=*/false);
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

}  // namespace

ExpertUsage ExpertUsage::read(const fs::path& path) {
  const fs::path file = is_folder(path) ? path / "metrics.jsonl" : path;
  try {
    if (file.extension() != ".jsonl") return from_usage(json::parse(read_file(file)), file);
    const std::optional<json> record = last_experts_record(file);
    if (record) return from_record(*record, file);
  } catch (const json::exception& error) {
    throw Error(fmt::format("tells no use of experts: {}", error.what()), {file, 0}, kUsageAdvice);
  }
  throw Error("holds no validation that counted experts", {file, 0}, kUsageAdvice);
}

ExpertUsage::Shares ExpertUsage::mean(const std::string& layer, std::int64_t experts,
                                      const std::vector<std::string>& wanted) const {
  const auto found = layers.find(layer);
  if (found == layers.end()) fail("the use of experts tells nothing of {}", layer);
  Shares sum(static_cast<std::size_t>(experts));
  double count = 0;
  const bool in_encoder = layer.starts_with("encoder");
  for (const auto& [key, shares] : found->second) {
    const auto is = [&, &name = key](const std::string& pattern) { return is_wanted(pattern, name, in_encoder); };
    if (!wanted.empty() && std::none_of(wanted.begin(), wanted.end(), is)) continue;
    if (shares.size() != sum.size()) {
      fail("the use of experts has {} shares for {}, which has {} experts", shares.size(), layer, experts);
    }
    for (std::size_t e = 0; e < sum.size(); ++e) sum[e] += shares[e];
    ++count;
  }
  if (count == 0) {
    std::vector<std::string> known;
    for (const auto& [key, shares] : found->second) known.push_back(key);
    fail("the use of experts in {} has nothing for {}; it has {}", layer, fmt::join(wanted, ","),
         fmt::join(known, ","));
  }
  for (double& share : sum) share /= count;
  return sum;
}

}  // namespace polymoe
