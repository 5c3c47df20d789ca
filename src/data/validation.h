#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/dataset.h"
#include "data/task.h"

namespace polymoe {

/// Held-out segments of one direction, for loss and for translation with references.
struct ValidationSet {
  Direction direction;
  std::vector<MicroBatch> batches;      ///< sorted by length
  std::vector<std::string> sources;     ///< original text; entry i belongs to row i of the batches, counted through
  std::vector<std::string> references;  ///< original text of the target side
};

/// Up to `max_examples` (0: all) usable lines of `split`, evenly spaced over all corpora. Throws Error when there is
/// none.
ValidationSet make_validation_set(const Dataset& dataset, const Direction& direction, const std::string& split,
                                  std::int64_t max_examples, std::int64_t max_length, std::int64_t max_tokens);

}  // namespace polymoe
