#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/metrics/append_file.h"

namespace polymoe {

/// Longer lines of a metrics.jsonl are taken for damage. Expert loads of the largest models fill a few MiB.
inline constexpr std::size_t kMaxRecordBytes = std::size_t{1} << 28;

/// Appends the records of a run to its metrics.jsonl, one JSON object a line. A record reaches the file in one piece
/// or not at all, so that a reader never meets half a line, whatever happens to the writer.
class MetricsWriter {
 public:
  /// Opens or creates the file. An incomplete last line, left by a crash or a full disk, is removed first.
  explicit MetricsWriter(std::filesystem::path path);

  /// Appends one object. NaN and infinities become null, malformed UTF-8 becomes U+FFFD.
  /// Throws Error when the file cannot take it; the file then ends with the record before.
  void append(const nlohmann::json& record);

  /// Drops every record with an "update" above `update`, as a run that resumes from there makes them again; and those
  /// of a validation after `update` itself, where the run had not yet `validated` when it saved. Records without
  /// "update" stay. The rewritten file replaces the old one in one step. Returns how many were dropped. Throws Error
  /// with the line for one that is no JSON object.
  std::size_t truncate_after_update(std::int64_t update, bool validated = true);
  /// Drops all records. Returns how many there were.
  std::size_t clear();

 private:
  AppendFile file_;
};

}  // namespace polymoe
