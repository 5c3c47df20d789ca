#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/comm/communicator.h"
#include "polymoe/config/run_options.h"
#include "polymoe/train/step.h"

namespace polymoe::testing {

/// Options of a tiny model with everything random switched on, and 4 micro-batches an update.
RunOptions tiny_run();

/// The device that train_in_threads() can compute on: that of the tests where the layout has one process, else the CPU,
/// since the mailboxes between threads take host memory.
std::string device_of(const ParallelOptions& parallel);

/// Micro-batch `number` of update `update`, of a size that varies.
MicroBatch tiny_batch(std::int64_t update, std::int64_t number);

/// What a training did, put together from all its processes.
struct Outcome {
  std::vector<double> losses;                            ///< of each update, mean over all target tokens
  std::vector<double> norms;                             ///< of each update's gradient
  std::map<std::string, at::Tensor> gradients;           ///< of the first update, by logical name
  std::map<std::string, at::Tensor> weights;             ///< after the last update, by logical name
  std::map<std::string, at::Tensor> averages;            ///< of the weights, with train.ema
  std::vector<CollectiveCounts> dense, experts, slices;  ///< of the first update by rank and group
};

/// Trains on `data x expert x model` threads, each a process of the layout in options.parallel.
Outcome train_in_threads(const RunOptions& options, std::int64_t updates);

/// The largest difference of two tensors, relative to the largest element of `expected`.
double relative_difference(const at::Tensor& got, const at::Tensor& expected);

}  // namespace polymoe::testing
