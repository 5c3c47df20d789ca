// Any bytes as the metrics.jsonl that a training goes on with after update 10: an Error, or a file of whole lines of
// which no record is of a later update, to which records can be added, and on which the same changes nothing more.

#include <nlohmann/json.hpp>

#include "fuzz/scratch.h"
#include "polymoe/base/files.h"
#include "polymoe/metrics/metrics_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = polymoe::scratch_folder() / "metrics.jsonl";
  polymoe::put_file(path, polymoe::text_of(data, size));
  const bool whole = polymoe::loads([&] { polymoe::MetricsWriter(path).truncate_after_update(10); });
  if (!whole) return 0;
  const std::string kept = polymoe::read_file(path);
  polymoe::MetricsWriter writer(path);
  polymoe::require(writer.truncate_after_update(10) == 0 && polymoe::read_file(path) == kept);
  writer.append({{"type", "train"}, {"update", 11}});
  polymoe::require(polymoe::read_file(path) == kept + "{\"type\":\"train\",\"update\":11}\n");
  polymoe::require(writer.truncate_after_update(10) == 1 && polymoe::read_file(path) == kept);
  return 0;
}
