#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "polymoe/metrics/append_file.h"
#include "polymoe/metrics/records.h"

namespace polymoe {

/// One value of a TensorBoard chart; a '/' in the tag groups charts.
struct ScalarValue {
  std::string tag;
  double value = 0.0;
};

/// Writes a TensorBoard event file: TFRecords (length, payload and their masked CRC-32C) that hold `Event` messages
/// in the protobuf wire format.
class EventFileWriter {
 public:
  /// Makes a new file `events.out.tfevents.TIME.HOST.PID.N` in `folder`, which is made as well. TensorBoard reads all
  /// files of a folder as one run; of the older ones it drops what lies at `first_step` or later, so that a run resumed
  /// after update n, with first_step n + 1, shows no step twice.
  explicit EventFileWriter(const std::filesystem::path& folder, std::int64_t first_step = 0);

  /// Adds values (stored as float32) of one step; `time` is in seconds since 1970. Throws Error (full disk, say).
  void add_scalars(std::span<const ScalarValue> values, std::int64_t step, double time);
  /// Adds a text, shown as Markdown.
  void add_text(std::string_view tag, std::string_view text, std::int64_t step, double time);
  /// Adds what a record says: samples as a text, of others the numbers that make curves; the record of the run adds
  /// nothing.
  void add_record(const MetricsRecord& record);

  const std::filesystem::path& path() const { return file_.path(); }

 private:
  void write_event(std::string_view event);

  AppendFile file_;
};

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
std::uint32_t crc32c(std::span<const std::byte> bytes);

/// The form in which TFRecord stores a CRC: rotated right by 15 bits, plus a constant.
std::uint32_t masked_crc32c(std::span<const std::byte> bytes);

}  // namespace polymoe
