#pragma once

#include <optional>

#include "polymoe/config/train_options.h"
#include "polymoe/metrics/records.h"

namespace polymoe {

/// The outcome of one validation.
struct ValidationReport {
  ValidRecord record;                    ///< its loss, BLEU and chrF are those of what counts (see Validator)
  std::optional<ExpertsRecord> experts;  ///< none for a dense model
  std::optional<SamplesRecord> samples;  ///< none where nothing was decoded

  /// The measure train.keep-best names, so that larger is better. Falls back to the loss where nothing was decoded.
  double validation_metric(ValidMetric measure) const;
};

}  // namespace polymoe
