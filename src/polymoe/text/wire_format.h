#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Protocol buffers on the wire, as far as SentencePiece models need: fields of a message, read and written.
namespace polymoe {

/// The fields of a message, one after the other.
class WireReader {
 public:
  explicit WireReader(std::string_view message) : rest_(message) {}

  struct Field {
    std::uint64_t number = 0;
    std::string_view bytes;  ///< of a field of bytes; else empty
    std::string_view whole;  ///< the field as it lies, with its number
  };

  /// None at the end, and where the message is damaged.
  std::optional<Field> next();

 private:
  std::optional<std::uint64_t> varint();
  bool skip(std::size_t size);

  std::string_view rest_;
};

/// Appends a field of bytes to a message.
void append_wire_bytes(std::string& message, std::uint64_t number, std::string_view bytes);

}  // namespace polymoe
