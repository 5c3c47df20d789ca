#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "polymoe/config/devices.h"
#include "polymoe/config/words.h"

namespace polymoe {

/// The validation metric by which the best checkpoint is kept.
enum class ValidMetric { kLoss, kBleu, kChrf };
template <>
struct Words<ValidMetric> {
  static constexpr std::string_view kAll[] = {"loss", "bleu", "chrf"};
};

/// How training goes on.
struct TrainOptions {
  std::string output;                               // the run's folder
  std::string init;                                 // checkpoint whose weights training starts from
  bool init_optimizer = false;                      // its optimiser state too
  std::int64_t seed = 1;                            // of every random number
  std::int64_t max_tokens = 4096;                   // of a micro-batch, source and target together, padding included
  std::int64_t micro_batches = 1;                   // of one update, over all processes
  std::int64_t max_updates = 100000;                // training ends after them
  double max_minutes = 0.0;                         // 0: no limit
  NumberFormat precision = NumberFormat::kFloat32;  // of weights and activations
  double loss_scale = 65536.0;                      // float16: the first one
  std::int64_t loss_scale_window = 2000;            // float16: updates without an overflow after which it doubles
  DeviceKind device = DeviceKind::kCpu;             // where the model lives
  bool deterministic = false;                       // on a GPU; the CPU always is
  double device_memory = 0.0;                       // GB of a process; 0: all there is
  double host_memory = 0.0;                         // GB of a process, for offload.*; 0: all there is
  std::int64_t threads = 0;                         // of the CPU; 0: one for each core
  double label_smoothing = 0.1;                     // probability spread over the vocabulary
  double ema = 0.0;                                 // decay of the weights' moving average; 0: no average
  std::int64_t log_freq = 50;                       // updates between log lines
  std::int64_t save_freq = 1000;                    // updates between checkpoints; 0: only the last
  std::int64_t keep_checkpoints = 3;                // besides the best
  std::int64_t valid_freq = 1000;                   // updates between validations; 0: only the last
  std::int64_t valid_examples = 200;                // of each direction; 0: all
  std::int64_t valid_beam_size = 1;                 // 0: nothing is decoded
  ValidMetric keep_best = ValidMetric::kChrf;       // what the best checkpoint is best by
  std::int64_t early_stopping = 0;                  // validations without a better one that end training; 0: never
  std::int64_t max_skipped = 10;                    // updates in a row without a finite gradient; 0: no limit
  bool verify = true;                               // checkpoints and data against their checksums
  bool tensorboard = true;                          // write event files
};

}  // namespace polymoe
