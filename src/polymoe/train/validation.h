#pragma once

#include <cstdint>
#include <vector>

#include "polymoe/config/run_options.h"
#include "polymoe/data/dataset.h"
#include "polymoe/data/stream.h"
#include "polymoe/data/validation.h"
#include "polymoe/decode/beam_search.h"
#include "polymoe/model/model.h"

namespace polymoe {

struct ValidationReport;  // train/validation_report.h

/// Measures a model on held-out segments: by task the loss; of translation BLEU and chrF, of tasks of the user's naming
/// ROUGE and chrF, by direction; expert use; samples. What counts for the run as a whole is translation or, where that
/// is not trained, everything.
class Validator {
 public:
  /// Reads the segments of data.valid-directions (or else of the training directions) from the split "valid", and of
  /// the other tasks that are `trained`, where it has any.
  Validator(const Dataset& dataset, const RunOptions& options, const std::vector<BatchStream::Share>& trained);

  /// Where several processes compute with the model together, all call it, and `agree` is how they decide alike.
  ValidationReport run(Model& model, std::int64_t update, const Agreement& agree = {}) const;

  /// Whether there is anything to validate on.
  bool empty() const { return sets_.empty(); }

 private:
  const Dataset& dataset_;
  RunOptions options_;
  std::vector<ValidationSet> sets_;
};

}  // namespace polymoe
