#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/config/words.h"

namespace polymoe {

/// How good an expert is, from what a gate did on some text.
enum class ExpertMetric {
  kUse,        ///< its share of all the gate's choices
  kActivity,   ///< its share of first choices
  kImportance  ///< activity * exp(mean probability where it is the first choice), Koishekenov et al. 2023
};
template <>
struct Words<ExpertMetric> {
  static constexpr std::string_view kAll[] = {"use", "activity", "importance"};
};

/// What the statistics of a layer are kept by.
enum class UsageHeading { kDirection, kLanguage };
template <>
struct Words<UsageHeading> {
  static constexpr std::string_view kAll[] = {"direction", "language"};
};

/// How the gates of a model chose on some text.
struct GateStatistics {
  using Shares = std::vector<double>;  ///< [experts], summing to one

  struct Row {
    Shares use;
    Shares first = {};                    ///< of first choices; empty where the file has none
    std::vector<double> confidence = {};  ///< [experts], mean probability as a first choice; likewise
  };
  /// Layer ("encoder.layers.1") -> direction ("en-de") or language ("de").
  using Rows = std::map<std::string, std::map<std::string, Row>>;
  Rows directions;
  Rows languages;  ///< of the source in the encoder, of the target in the decoder

  /// Reads one of
  ///   a JSON file {"layers": {"encoder.layers.1": {"directions": {"en-de": [share of each expert], ...}}, ...}}, of
  ///   which "counts" may tell "first" and "confidence", and "languages" the same by language;
  ///   a run folder or its metrics.jsonl, whose last validation counted by language.
  /// Throws Error with the path for what is neither, and for shares that are no numbers of at least 0 or are all 0.
  static GateStatistics read(const std::filesystem::path& path);

  /// The metric of a layer's `experts` experts: the mean over the rows that match one of `wanted`, each row counting
  /// alike; over all where `wanted` is empty. "en-de" means that direction, "en-*" all from English, "de" all from or
  /// into German. By language, and where a training counted, a direction means its source in the encoder, its target in
  /// the decoder. Throws Error where the layer is unknown or has another number of experts, where nothing matches, and
  /// where the file lacks what the metric needs.
  std::vector<double> score(const std::string& layer, std::int64_t experts, const std::vector<std::string>& wanted,
                            ExpertMetric metric = ExpertMetric::kUse,
                            UsageHeading heading = UsageHeading::kDirection) const;
};

}  // namespace polymoe
