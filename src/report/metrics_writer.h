#pragma once

#include <cstdint>
#include <filesystem>

#include <nlohmann/json_fwd.hpp>

namespace polymoe {

/// Appends the records of a run to its metrics.jsonl, one JSON object a line. A record reaches the file in one piece
/// or not at all, so that a reader never meets half a line, whatever happens to the writer.
class MetricsWriter {
 public:
  /// Opens or creates the file. An incomplete last line, left by a crash or a full disk, is removed first.
  explicit MetricsWriter(std::filesystem::path path);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  /// Appends one object. NaN and infinities become null, malformed UTF-8 becomes U+FFFD.
  /// Throws Error when the file cannot take it; the file then ends with the record before.
  void append(const nlohmann::json& record);

  /// Drops every record with an "update" above `update`, as a run that resumes from there makes them again. Records
  /// without "update" stay. The rewritten file replaces the old one in one step. Throws Error with the line for one
  /// that is no JSON object.
  void truncate_after_update(std::int64_t update);

 private:
  void open_file();

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace polymoe
