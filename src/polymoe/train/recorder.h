#pragma once

#include <filesystem>
#include <memory>

#include "polymoe/metrics/event_file.h"
#include "polymoe/metrics/metrics_writer.h"

namespace polymoe {

/// Where a run's numbers go: a log line, metrics.jsonl and TensorBoard event files.
class Recorder {
 public:
  /// For a run that goes on after `update`, which it has `validated` or not: later records of an earlier attempt are
  /// dropped, and all of them where this run begins `anew`.
  Recorder(const std::filesystem::path& run_folder, bool tensorboard, std::int64_t update, bool validated, bool anew);

  void add(const MetricsRecord& record);

 private:
  MetricsWriter metrics_;
  std::unique_ptr<EventFileWriter> events_;  // null without TensorBoard
};

}  // namespace polymoe
