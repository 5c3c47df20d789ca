#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/data/batch.h"
#include "polymoe/data/dataset.h"
#include "polymoe/data/task.h"

namespace polymoe {

struct DataOptions;

/// The endless sequence of training micro-batches. It is a pure function of (dataset, data options, max_tokens, seed):
/// every process that makes a BatchStream from the same four sees the same sequence, and takes or skips each
/// micro-batch.
///
/// Examples come in windows of about `bucket-examples`. A window is sorted by length, cut into micro-batches by the
/// token budget, and these are shuffled. Every (task, direction) has its share of each window, given by task weight,
/// schedule and temperature, exact to one example from the start of training to its end; within it each epoch is a
/// pseudo-random permutation of its examples. So window number and place in the window are the whole state.
class BatchStream {
 public:
  /// What is drawn, and how often.
  struct Share {
    Task task;
    Direction direction;
    std::uint64_t examples = 0;  ///< usable examples of the train split
    double share = 0.0;          ///< of all examples drawn; with a schedule, at the start
  };

  /// `dataset` must outlive the stream. `max_tokens` bounds rows * (padded source + padded target) of a micro-batch.
  /// Throws Error for unknown directions, when nothing is usable, and when one example of data.max-length on both
  /// sides would break the budget.
  BatchStream(const Dataset& dataset, const DataOptions& options, std::int64_t max_tokens, std::uint64_t seed);
  ~BatchStream();
  BatchStream(BatchStream&&) noexcept;

  /// The next micro-batch.
  MicroBatch next();
  /// Goes past the next micro-batch without making it.
  void skip();

  /// Where the stream is: a few numbers. restore() of it goes on with exactly the micro-batches that would have
  /// followed, at the cost of redoing one window's lengths. Where data or options have changed since, restore() warns
  /// and goes on from the window's start.
  nlohmann::json state() const;
  void restore(const nlohmann::json& state);

  const std::vector<Share>& shares() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polymoe
