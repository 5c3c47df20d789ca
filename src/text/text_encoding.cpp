#include "text/text_encoding.h"

#include <array>
#include <cstddef>
#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "base/utf8.h"

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
  if (zeros[0] * 8 > text.size() && zeros[1] * 8 > text.size()) return "UTF-32BE";
  if (zeros[2] * 8 > text.size() && zeros[3] * 8 > text.size()) return "UTF-32LE";
  if (even == 0) return "UTF-16LE";
  return odd == 0 ? "UTF-16BE" : "";
}

}  // namespace

void check_text_file(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return;  // a pipe can be read once only
  constexpr std::size_t kBeginning = 4096;
  const std::string beginning = read_beginning(path, kBeginning);
  for (const Packed& packed : kPacked) {
    if (!beginning.starts_with(packed.magic)) continue;
    throw Error(fmt::format("{}; only gzip is read", packed.name), {path, 0},
                fmt::format("unpack it, e.g. with '{} FILE | gzip > FILE.gz'", packed.program));
  }
  std::string encoding;
  for (const Mark& mark : kMarks) {
    if (encoding.empty() && beginning.starts_with(mark.bytes)) encoding = mark.encoding;
  }
  if (encoding.empty()) encoding = encoding_by_zeros(beginning);
  if (encoding.empty()) return;
  throw Error(encoding + " text, not UTF-8", {path, 0},
              fmt::format("convert the file: 'iconv -f {} -t UTF-8'", encoding));
}

TextFault find_text_fault(std::string_view line) {
  if (const std::size_t zero = line.find('\0'); zero != std::string_view::npos) {
    return {fmt::format("a NUL byte at column {}", zero + 1), "remove it, e.g. with 'tr -d \"\\000\"'"};
  }
  const std::size_t bad = find_bad_utf8(line);
  if (bad == std::string_view::npos) return {};
  return {fmt::format("not UTF-8 text: byte 0x{:02X} at column {}", static_cast<unsigned char>(line[bad]), bad + 1),
          "find out the encoding ('file' guesses it, 'iconv -l' lists the names) and convert the file: "
          "'iconv -f NAME -t UTF-8'"};
}

}  // namespace polymoe
