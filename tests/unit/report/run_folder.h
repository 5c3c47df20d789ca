#pragma once

#include <filesystem>
#include <string>

#include "polymoe/base/files.h"
#include "support/temporary_folder.h"

namespace polymoe::test {

/// The folder of a run, which goes away with this object.
class RunFolder {
 public:
  RunFolder() = default;
  explicit RunFolder(const std::string& metrics) { write_file(metrics_path(), metrics); }

  const std::filesystem::path& path() const { return folder_.path(); }
  std::filesystem::path metrics_path() const { return folder_ / "metrics.jsonl"; }
  std::string metrics() const { return read_file(metrics_path()); }

 private:
  testing::TemporaryFolder folder_;
};

}  // namespace polymoe::test
