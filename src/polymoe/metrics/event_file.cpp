#include "polymoe/metrics/event_file.h"

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/core.h>
#include <unistd.h>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

// The CRC -------------------------------------------------------------------------------------------------------------

constexpr std::array<std::uint32_t, 256> make_crc32c_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1u) != 0 ? 0x82F63B78u : 0u);
    table[byte] = value;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrc32cTable = make_crc32c_table();

// The protobuf wire format --------------------------------------------------------------------------------------------

enum WireType : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

template <typename Integer>
void put_little_endian(std::string& out, Integer value) {
  for (std::size_t byte = 0; byte < sizeof(Integer); ++byte) out += static_cast<char>(value >> (8 * byte));
}

void put_key(std::string& out, std::uint32_t field, WireType type) { put_varint(out, (field << 3) | type); }

void put_integer(std::string& out, std::uint32_t field, std::int64_t value) {
  put_key(out, field, kVarint);
  put_varint(out, static_cast<std::uint64_t>(value));
}
void put_double(std::string& out, std::uint32_t field, double value) {
  put_key(out, field, kFixed64);
  put_little_endian(out, std::bit_cast<std::uint64_t>(value));
}
void put_float(std::string& out, std::uint32_t field, float value) {
  put_key(out, field, kFixed32);
  put_little_endian(out, std::bit_cast<std::uint32_t>(value));
}
void put_bytes(std::string& out, std::uint32_t field, std::string_view value) {
  put_key(out, field, kBytes);
  put_varint(out, value.size());
  out += value;
}

// The messages; the numbers are the field numbers of TensorFlow's event.proto, summary.proto and tensor.proto ---------

std::string event_head(double time, std::int64_t step) {
  std::string event;
  put_double(event, 1, time);
  put_integer(event, 2, step);
  return event;
}

std::string scalar_summary_value(const ScalarValue& scalar) {
  std::string value;
  put_bytes(value, 1, scalar.tag);
  put_float(value, 2, static_cast<float>(scalar.value));
  return value;
}

std::string text_summary_value(std::string_view tag, std::string_view text) {
  std::string plugin;
  put_bytes(plugin, 1, "text");
  std::string metadata;
  put_bytes(metadata, 1, plugin);
  std::string tensor;
  constexpr std::int64_t kStringType = 7;
  put_integer(tensor, 1, kStringType);
  put_bytes(tensor, 2, "");  // the shape of a single value
  put_bytes(tensor, 8, text);

  std::string value;
  put_bytes(value, 1, tag);
  put_bytes(value, 8, tensor);
  put_bytes(value, 9, metadata);
  return value;
}

// The file ------------------------------------------------------------------------------------------------------------

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// The name tells writers apart that start within one second, in one process or on one shared disk.
std::filesystem::path new_event_path(const std::filesystem::path& folder, double time) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error("cannot make the folder: " + error.message(), {folder.string(), 0});
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0 || host[0] == '\0') host = {'h', 'o', 's', 't'};
  static std::atomic<int> counter{0};
  // TensorBoard reads the files of a folder in the order of their names, hence the padding.
  return folder / fmt::format("events.out.tfevents.{:010}.{}.{}.{}", static_cast<std::int64_t>(time), host.data(),
                              getpid(), counter++);
}

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes) {
  std::uint32_t value = 0xFFFFFFFFu;
  for (const std::byte byte : bytes) {
    value = kCrc32cTable[(value ^ std::to_integer<std::uint32_t>(byte)) & 0xFFu] ^ (value >> 8);
  }
  return ~value;
}

std::uint32_t masked_crc32c(std::span<const std::byte> bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8u; }

EventFileWriter::EventFileWriter(const std::filesystem::path& folder, std::int64_t first_step)
    : file_(new_event_path(folder, unix_time())) {
  std::string version = event_head(unix_time(), 0);
  put_bytes(version, 3, "brain.Event:2");
  write_event(version);
  if (first_step == 0) return;
  // The mark of a restart, at which TensorBoard drops older events of this and later steps.
  std::string session;
  constexpr std::int64_t kStart = 1;
  put_integer(session, 1, kStart);
  std::string start = event_head(unix_time(), first_step);
  put_bytes(start, 7, session);
  write_event(start);
}

void EventFileWriter::add_scalars(std::span<const ScalarValue> values, std::int64_t step, double time) {
  std::string summary;
  for (const ScalarValue& value : values) put_bytes(summary, 1, scalar_summary_value(value));
  std::string event = event_head(time, step);
  put_bytes(event, 5, summary);
  write_event(event);
}

void EventFileWriter::add_text(std::string_view tag, std::string_view text, std::int64_t step, double time) {
  std::string summary;
  put_bytes(summary, 1, text_summary_value(tag, text));
  std::string event = event_head(time, step);
  put_bytes(event, 5, summary);
  write_event(event);
}

// TFRecord: length (8 bytes), masked CRC of the length, payload, masked CRC of the payload.
void EventFileWriter::write_event(std::string_view event) {
  std::string record;
  put_little_endian(record, static_cast<std::uint64_t>(event.size()));
  put_little_endian(record, masked_crc32c(std::as_bytes(std::span(record))));
  record += event;
  put_little_endian(record, masked_crc32c(std::as_bytes(std::span(event))));
  file_.append(record);
}

}  // namespace polymoe
