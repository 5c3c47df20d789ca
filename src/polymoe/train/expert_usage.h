#pragma once

#include <string>
#include <vector>

#include "polymoe/data/dataset.h"
#include "polymoe/data/validation.h"
#include "polymoe/evaluate/expert_usage.h"
#include "polymoe/model/model.h"

namespace polymoe {

struct DataOptions;

/// What expert use is measured on.
struct UsageData {
  std::string split = "valid";
  std::vector<std::string> directions = {};  ///< patterns as in data.directions; empty: all that the split has
  std::int64_t max_examples = 200;           ///< of each task and direction; 0: all
  std::int64_t max_tokens = 4096;            ///< of a batch
};

/// The sets to measure, of the tasks that `options` give a weight: translation in the directions that have segments,
/// denoising, and the tasks of the data. Throws Error where there is nothing.
std::vector<ValidationSet> usage_sets(const Dataset& dataset, const DataOptions& options, const UsageData& data);

/// Runs `model` over `set` as validation does, capacity included, and adds what its tokens did at the experts. A
/// direction of translation has the heading "en-de", one of another task "TASK:en-en".
void record_usage(Model& model, const ValidationSet& set, const Vocabulary& vocabulary, UsageByLayer& usage);

}  // namespace polymoe
