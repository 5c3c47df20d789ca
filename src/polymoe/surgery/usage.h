#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace polymoe {

/// How often the experts of each layer are chosen.
struct ExpertUsage {
  using Shares = std::vector<double>;  ///< [experts], summing to one

  /// Layer ("encoder.layers.1") -> direction ("en-de"), or language where a training counted ("de") -> shares.
  std::map<std::string, std::map<std::string, Shares>> layers;

  /// Reads one of
  ///   a JSON file {"layers": {"encoder.layers.1": {"directions": {"en-de": [share of each expert], ...}}, ...}};
  ///   a run folder or its metrics.jsonl, whose last validation counted by language.
  /// Throws Error with the path for what is neither, and for shares that are no numbers of at least 0 or are all 0.
  static ExpertUsage read(const std::filesystem::path& path);

  /// The mean shares of a layer's `experts` experts over what matches one of `wanted`, each direction counting alike;
  /// over all where `wanted` is empty. "en-de" means that direction, "en-*" all from English, "de" all from or into
  /// German. Where languages were counted, a direction means its source in the encoder, its target in the decoder.
  /// Throws Error where the layer is unknown, has another number of experts, or nothing matches.
  Shares mean(const std::string& layer, std::int64_t experts, const std::vector<std::string>& wanted) const;
};

}  // namespace polymoe
