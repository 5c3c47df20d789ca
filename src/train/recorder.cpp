#include "train/recorder.h"

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "report/log_line.h"

namespace polymoe {

Recorder::Recorder(const std::filesystem::path& run_folder, bool tensorboard, std::int64_t update)
    : metrics_(run_folder / "metrics.jsonl") {
  metrics_.truncate_after_update(update);
  if (tensorboard) events_ = std::make_unique<EventFileWriter>(run_folder / "tensorboard", update + 1);
}

void Recorder::add(const nlohmann::json& record) {
  metrics_.append(record);
  if (events_) events_->add_record(record);
  if (const std::string line = log_line(record); !line.empty()) log_info("{}", line);
}

}  // namespace polymoe
