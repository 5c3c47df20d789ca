#include "polymoe/text/wire_format.h"

namespace polymoe {
namespace {

constexpr std::uint64_t kBytesType = 2;

void append_varint(std::string& message, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) message += static_cast<char>((value & 0x7F) | 0x80);
  message += static_cast<char>(value);
}

}  // namespace

std::optional<WireReader::Field> WireReader::next() {
  const std::string_view begin = rest_;
  const std::optional<std::uint64_t> tag = varint();
  if (!tag) return {};
  Field field{*tag >> 3, {}, {}};
  bool whole = false;
  switch (*tag & 7) {
    case 0:
      whole = varint().has_value();
      break;
    case 1:
      whole = skip(8);
      break;
    case 5:
      whole = skip(4);
      break;
    case kBytesType: {
      const std::optional<std::uint64_t> size = varint();
      if (!size || *size > rest_.size()) return {};
      field.bytes = rest_.substr(0, *size);
      whole = skip(*size);
      break;
    }
    default:
      break;
  }
  if (!whole) return {};
  field.whole = begin.substr(0, begin.size() - rest_.size());
  return field;
}

std::optional<std::uint64_t> WireReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  return {};
}

bool WireReader::skip(std::size_t size) {
  if (rest_.size() < size) return false;
  rest_.remove_prefix(size);
  return true;
}

void append_wire_bytes(std::string& message, std::uint64_t number, std::string_view bytes) {
  append_varint(message, number << 3 | kBytesType);
  append_varint(message, bytes.size());
  message += bytes;
}

}  // namespace polymoe
