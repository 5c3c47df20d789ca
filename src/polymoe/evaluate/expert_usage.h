#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace polymoe {

/// How often tokens went to each expert of a layer.
struct UsageCounts {
  std::int64_t tokens = 0;
  std::vector<std::int64_t> assigned;    ///< [experts], choices of the gate
  std::vector<std::int64_t> kept;        ///< [experts], those that found a place under the capacity
  std::vector<std::int64_t> first = {};  ///< [experts], tokens of which it is the first choice
  std::vector<double> confidence = {};   ///< [experts], the sum of the gate's probabilities for these choices

  void operator+=(const UsageCounts& other);
  /// Of the gate's choices, each expert's share: [experts], sum 1; all 0 where there are none. Not of those kept: under
  /// a capacity that binds, all experts in demand keep alike.
  std::vector<double> shares() const;
  /// The gate's mean probability for an expert where it is a token's first choice: [experts]; 0 where it never is.
  std::vector<double> mean_confidence() const;
};

/// Expert use of one layer, each token under all its headings.
struct LayerUsage {
  std::map<std::string, UsageCounts> directions;
  std::map<std::string, UsageCounts> tasks;
  std::map<std::string, UsageCounts> languages;  ///< of the source in the encoder, of the target in the decoder
  UsageCounts all;
};

/// How alike rows use experts: the cosine of their usage vectors.
struct Similarity {
  std::vector<std::string> names;
  std::vector<std::vector<double>> cosine;  ///< [names, names]
};

/// The cosine of two vectors of one length; 0 where one is all zeros.
double cosine_of(const std::vector<double>& a, const std::vector<double>& b);

/// By layer name ("encoder.layers.1") and row (a language, say): each expert's share.
using SharesByLayer = std::map<std::string, std::map<std::string, std::vector<double>>>;

/// By side, which is what stands before the first dot of a layer's name: the similarity of rows, each by its shares in
/// all layers of the side, end to end. Rows that some layer of the side lacks are left out.
std::map<std::string, Similarity> similarity_by_side(const SharesByLayer& shares);

/// Expert use by layer name ("encoder.layers.1").
using UsageByLayer = std::map<std::string, LayerUsage>;

/// {"layers": {LAYER: {"experts": n, "directions": {NAME: [shares]}, "tasks", "languages", "all": [shares],
/// "counts": {"directions": {NAME: {"tokens", "assigned": [...], "kept": [...], "first": [...], "confidence":
/// [means]}}, "tasks", "languages", "all"}}}, "similarity": {SIDE: {"directions": {"names", "cosine"}, "tasks",
/// "languages"}}}.
nlohmann::json usage_json(const UsageByLayer& usage);

}  // namespace polymoe
