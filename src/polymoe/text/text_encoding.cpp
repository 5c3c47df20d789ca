#include "polymoe/text/text_encoding.h"

#include <array>
#include <cstddef>

#include "polymoe/base/error.h"
#include "polymoe/base/utf8.h"

namespace polymoe {
namespace {

using namespace std::string_view_literals;

struct Packed {
  std::string_view magic;
  const char* name;
  const char* program;  // writes what is packed to standard output
};
constexpr Packed kPacked[] = {{"\xFD"
                               "7zXZ\0"sv,
                               "an xz file", "xz -dc"},
                              {"\x28\xB5\x2F\xFD"sv, "a zstd file", "zstd -dc"},
                              {"BZh"sv, "a bzip2 file", "bzip2 -dc"},
                              {"PK\x03\x04"sv, "a zip file", "unzip -p"},
                              {"\x1F\x9D"sv, "a compress file", "gzip -dc"},
                              {"7z\xBC\xAF\x27\x1C"sv, "a 7z file", "7z x -so"},
                              {"\x04\x22\x4D\x18"sv, "an lz4 file", "lz4 -dc"}};

struct Mark {
  std::string_view bytes;
  const char* encoding;
};
// UTF-32 first: its little-endian mark begins as that of UTF-16.
constexpr Mark kMarks[] = {
    {"\xFF\xFE\0\0"sv, "UTF-32"}, {"\0\0\xFE\xFF"sv, "UTF-32"}, {"\xFF\xFE"sv, "UTF-16"}, {"\xFE\xFF"sv, "UTF-16"}};

/// The encoding of text that has no byte-order mark but NUL bytes, by where these stand; "" where it is another.
std::string encoding_by_zeros(std::string_view text) {
  std::array<std::size_t, 4> zeros{};  // by place modulo 4
  std::size_t newlines = 0, wide_newlines = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') ++zeros[i % 4];
    if (text[i] != '\n') continue;
    ++newlines;
    const bool after = i + 1 < text.size() && text[i + 1] == '\0', before = i > 0 && text[i - 1] == '\0';
    if (after || before) ++wide_newlines;
  }
  const std::size_t even = zeros[0] + zeros[2], odd = zeros[1] + zeros[3], all = even + odd;
  // In UTF-16 even text without Latin letters has NUL bytes at its line ends, always on the same side.
  const bool wide_lines = newlines > 0 && wide_newlines == newlines;
  if (all < 2 || (!wide_lines && all * 5 < text.size())) return "";
  // The lowest byte of a character is hardly ever zero: where all places have zeros, it is no encoding.
  const auto many = [&](std::size_t place) { return zeros[place] * 8 > text.size(); };
  const auto few = [&](std::size_t place) { return zeros[place] * 32 <= text.size(); };
  if (many(0) && many(1) && few(3)) return "UTF-32BE";
  if (many(2) && many(3) && few(0)) return "UTF-32LE";
  if (even == 0) return "UTF-16LE";
  return odd == 0 ? "UTF-16BE" : "";
}

/// Half of a UTF-16 pair, U+D800 to U+DFFF, in the bytes that UTF-8 would have for it.
bool begins_with_surrogate(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  return text.size() >= 3 && byte(0) == 0xED && byte(1) >= 0xA0 && byte(1) <= 0xBF && (byte(2) & 0xC0) == 0x80;
}

}  // namespace

void check_beginning(LineReader& reader) {
  constexpr std::size_t kLooked = 4096;
  const std::string_view beginning = reader.beginning().substr(0, kLooked);
  const Where where{reader.path(), 0};
  for (const Packed& packed : kPacked) {
    if (!beginning.starts_with(packed.magic)) continue;
    throw Error(fmt::format("{}; only gzip is read", packed.name), where,
                fmt::format("unpack it, e.g. with '{} FILE | gzip > FILE.gz'", packed.program));
  }
  if (!beginning.empty() && beginning.find_first_not_of('\0') == std::string_view::npos) {
    throw Error("NUL bytes where text should begin", where,
                "the file is none of text, or lost its content: take it from where it came from");
  }
  std::string encoding;
  for (const Mark& mark : kMarks) {
    if (encoding.empty() && beginning.starts_with(mark.bytes)) encoding = mark.encoding;
  }
  if (encoding.empty()) encoding = encoding_by_zeros(beginning);
  if (encoding.empty()) return;
  throw Error(encoding + " text, not UTF-8", where, fmt::format("convert the file: 'iconv -f {} -t UTF-8'", encoding));
}

TextFault find_text_fault(std::string_view line) {
  if (const std::size_t zero = line.find('\0'); zero != std::string_view::npos) {
    return {TextFault::Kind::kNulByte, fmt::format("a NUL byte at column {}", zero + 1),
            "remove it, e.g. with 'tr -d \"\\000\"'"};
  }
  const std::size_t bad = find_bad_utf8(line);
  if (bad == std::string_view::npos) return {};
  if (const std::string_view rest = line.substr(bad); begins_with_surrogate(rest)) {
    const bool low = static_cast<unsigned char>(rest[1]) >= 0xB0;
    const bool pair = !low && begins_with_surrogate(rest.substr(3)) && static_cast<unsigned char>(rest[4]) >= 0xB0;
    return {TextFault::Kind::kBadUtf8,
            fmt::format("an encoded surrogate at column {}, which is no UTF-8 ({})", bad + 1,
                        pair ? "CESU-8" : "a character that a program broke"),
            pair ? "convert the file, e.g. with ICU's 'uconv -f CESU-8 -t UTF-8'"
                 : "put the whole character there, or remove its half"};
  }
  return {TextFault::Kind::kBadUtf8,
          fmt::format("not UTF-8 text: byte 0x{:02X} at column {}", static_cast<unsigned char>(line[bad]), bad + 1),
          "find out the encoding ('file' guesses it, 'iconv -l' lists the names) and convert the file: "
          "'iconv -f NAME -t UTF-8'"};
}

void check_text(std::string_view line, const Where& where) {
  const TextFault fault = find_text_fault(line);
  if (!fault.message.empty()) throw Error(fault.message, where, fault.remedy);
}

}  // namespace polymoe
