#include "polymoe/train/recorder.h"

#include <nlohmann/json.hpp>

#include "polymoe/base/log.h"
#include "polymoe/metrics/log_line.h"
#include "polymoe/metrics/record_json.h"

namespace polymoe {

Recorder::Recorder(const std::filesystem::path& run_folder, bool tensorboard, std::int64_t update, bool validated,
                   bool anew)
    : metrics_(run_folder / "metrics.jsonl") {
  const std::size_t dropped = anew ? metrics_.clear() : metrics_.truncate_after_update(update, validated);
  if (dropped > 0) {
    log_info("{} records of what was trained after the last checkpoint are dropped from metrics.jsonl", dropped);
  }
  if (tensorboard) events_ = std::make_unique<EventFileWriter>(run_folder / "tensorboard", update + 1);
}

void Recorder::add(const MetricsRecord& record) {
  metrics_.append(to_json(record));
  if (events_) events_->add_record(record);
  if (const std::string line = log_line(record); !line.empty()) log_info("{}", line);
}

}  // namespace polymoe
