#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "polymoe/data/batch.h"
#include "polymoe/data/dataset.h"
#include "polymoe/data/noise.h"
#include "polymoe/data/task.h"

namespace polymoe {

/// Held-out segments of one task and direction, for loss and for decoding with references.
struct ValidationSet {
  Task task = Task::kTranslation;
  Direction direction;
  std::vector<MicroBatch> batches;      ///< sorted by length
  std::vector<std::string> sources;     ///< original text; entry i belongs to row i of the batches, counted through
  std::vector<std::string> references;  ///< original text of the target side
};

/// Up to `max_examples` (0: all) usable lines of `split`, evenly spaced over all corpora. Denoising spoils them with
/// `noise`, each time alike. Throws Error when there is none.
ValidationSet make_validation_set(const Dataset& dataset, const Direction& direction, const std::string& split,
                                  std::int64_t max_examples, std::int64_t max_length, std::int64_t max_tokens,
                                  Task task = Task::kTranslation, const NoiseOptions& noise = {});

}  // namespace polymoe
