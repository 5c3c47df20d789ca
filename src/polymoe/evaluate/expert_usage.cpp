#include "polymoe/evaluate/expert_usage.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <nlohmann/json.hpp>

namespace polymoe {
namespace {

using Rows = std::map<std::string, UsageCounts>;

struct Heading {
  const char* name;
  Rows LayerUsage::*rows;
};
constexpr Heading kHeadings[] = {
    {"directions", &LayerUsage::directions}, {"tasks", &LayerUsage::tasks}, {"languages", &LayerUsage::languages}};

template <typename Number>
void add(std::vector<Number>& sum, const std::vector<Number>& counts) {
  sum.resize(std::max(sum.size(), counts.size()));
  for (std::size_t i = 0; i < counts.size(); ++i) sum[i] += counts[i];
}

nlohmann::json counts_json(const UsageCounts& counts) {
  return {{"tokens", counts.tokens},
          {"assigned", counts.assigned},
          {"kept", counts.kept},
          {"first", counts.first},
          {"confidence", counts.mean_confidence()}};
}

nlohmann::json layer_json(const LayerUsage& layer) {
  nlohmann::json json{{"experts", layer.all.assigned.size()}, {"all", layer.all.shares()}};
  json["counts"]["all"] = counts_json(layer.all);
  for (const Heading& heading : kHeadings) {
    nlohmann::json shares = nlohmann::json::object(), counts = nlohmann::json::object();
    for (const auto& [name, row] : layer.*heading.rows) {
      shares[name] = row.shares();
      counts[name] = counts_json(row);
    }
    json[heading.name] = std::move(shares);
    json["counts"][heading.name] = std::move(counts);
  }
  return json;
}

// Rows to their shares in some layers, end to end.
using Vectors = std::map<std::string, std::vector<double>>;

Similarity similarity_of(const Vectors& vectors) {
  Similarity similarity;
  for (const auto& [name, vector] : vectors) {
    similarity.names.push_back(name);
    std::vector<double>& row = similarity.cosine.emplace_back();
    for (const auto& [other, other_vector] : vectors) row.push_back(cosine_of(vector, other_vector));
  }
  return similarity;
}

}  // namespace

void UsageCounts::operator+=(const UsageCounts& other) {
  tokens += other.tokens;
  add(assigned, other.assigned);
  add(kept, other.kept);
  add(first, other.first);
  add(confidence, other.confidence);
}

std::vector<double> UsageCounts::shares() const {
  const auto sum = static_cast<double>(std::accumulate(assigned.begin(), assigned.end(), std::int64_t{0}));
  std::vector<double> shares(assigned.size(), 0.0);
  if (sum == 0) return shares;
  for (std::size_t i = 0; i < assigned.size(); ++i) shares[i] = static_cast<double>(assigned[i]) / sum;
  return shares;
}

std::vector<double> UsageCounts::mean_confidence() const {
  std::vector<double> means = confidence;
  for (std::size_t i = 0; i < means.size(); ++i) means[i] /= static_cast<double>(std::max<std::int64_t>(1, first[i]));
  return means;
}

double cosine_of(const std::vector<double>& a, const std::vector<double>& b) {
  const auto dot = [](const std::vector<double>& x, const std::vector<double>& y) {
    return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  };
  const double lengths = std::sqrt(dot(a, a)) * std::sqrt(dot(b, b));
  return lengths > 0 ? dot(a, b) / lengths : 0.0;
}

std::map<std::string, Similarity> similarity_by_side(const SharesByLayer& shares) {
  std::map<std::string, Vectors> sides;
  for (const auto& [layer, layer_shares] : shares) {
    const Vectors& rows = layer_shares;  // a name that a lambda may capture: clang 14 refuses a binding's
    const auto [side, is_first] = sides.try_emplace(layer.substr(0, layer.find('.')));
    Vectors& vectors = side->second;
    std::size_t experts = 0;
    for (const auto& [name, row] : rows) experts = std::max(experts, row.size());
    if (is_first) vectors.insert(rows.begin(), rows.end());
    std::erase_if(vectors, [&](const auto& entry) {
      const auto row = rows.find(entry.first);
      return row == rows.end() || row->second.size() != experts;
    });
    if (is_first) continue;
    for (auto& [name, vector] : vectors) vector.insert(vector.end(), rows.at(name).begin(), rows.at(name).end());
  }
  std::map<std::string, Similarity> similarities;
  for (const auto& [side, vectors] : sides) similarities[side] = similarity_of(vectors);
  return similarities;
}

nlohmann::json usage_json(const UsageByLayer& usage) {
  nlohmann::json json{{"layers", nlohmann::json::object()}, {"similarity", nlohmann::json::object()}};
  for (const auto& [name, layer] : usage) json["layers"][name] = layer_json(layer);
  for (const Heading& heading : kHeadings) {
    SharesByLayer shares;
    for (const auto& [name, layer] : usage) {
      for (const auto& [row, counts] : layer.*heading.rows) shares[name][row] = counts.shares();
    }
    for (const auto& [side, similarity] : similarity_by_side(shares)) {
      json["similarity"][side][heading.name] = {{"names", similarity.names}, {"cosine", similarity.cosine}};
    }
  }
  return json;
}

}  // namespace polymoe
