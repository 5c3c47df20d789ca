#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace polymoe {

/// The outcome of one validation: the numbers that decide, and records for metrics.jsonl.
struct ValidationReport {
  double loss = 0.0;           ///< label-smoothed, mean over the target tokens of what counts (see Validator)
  std::optional<double> bleu;  ///< means over directions; absent when nothing of the kind was decoded
  std::optional<double> chrf;
  nlohmann::json record;   ///< "valid"
  nlohmann::json experts;  ///< "experts"; null for a dense model
  nlohmann::json samples;  ///< "samples"; null when nothing was decoded

  /// The measure train.keep-best names, so that larger is better. Falls back to the loss where nothing was decoded.
  double goodness(const std::string& measure) const;
};

}  // namespace polymoe
