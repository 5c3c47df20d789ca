#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/data/stream.h"
#include "polymoe/train/step.h"

namespace polymoe {

struct RunOptions;

/// What a run counts beside model and optimiser.
struct RunCounters {
  double seconds = 0.0;
  double cpu_seconds = 0.0;     ///< of processor time, of all processes and threads
  double warmup_seconds = 0.0;  ///< when the warm-up of the learning rate ended
  std::int64_t target_tokens = 0;
  std::int64_t skipped_updates = 0;
  std::optional<double> best;  ///< the metric of the best validation
  std::int64_t validations_without_best = 0;
  std::int64_t validated_update = -1;  ///< of the last validation
};

/// What a checkpoint keeps beside tensors, so that a run goes on as if it had never stopped. `config`: its options.
nlohmann::json run_meta(const TrainState& train, const RunCounters& counters, const BatchStream& stream,
                        const std::string& config);

/// Takes it up again. A loss scale starts anew where the number format has changed, and a delayed update is dropped,
/// with a warning, where there are none any more. Throws nlohmann::json::exception for what is not such a text.
void restore_run(const nlohmann::json& meta, const RunOptions& options, TrainState& train, RunCounters& counters,
                 BatchStream& stream);

}  // namespace polymoe
