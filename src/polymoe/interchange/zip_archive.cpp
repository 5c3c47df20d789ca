#include "polymoe/interchange/zip_archive.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"

namespace polymoe {
namespace {

using Bytes = std::span<const std::byte>;

// The records of PKWARE's APPNOTE.TXT: their signatures and fixed sizes.
constexpr std::uint64_t kLocal = 0x04034B50, kLocalSize = 30;
constexpr std::uint64_t kEntry = 0x02014B50, kEntrySize = 46;
constexpr std::uint64_t kEnd = 0x06054B50, kEndSize = 22, kLongestComment = 65535;
constexpr std::uint64_t kEnd64 = 0x06064B50, kEnd64Size = 56, kLocator64 = 0x07064B50, kLocator64Size = 20;
constexpr std::uint64_t kIn64Bits = 0xFFFFFFFF;
constexpr std::uint64_t kWide = 1;  // the extra field with 64-bit sizes

class ZipReader {
 public:
  ZipReader(Bytes archive, const std::filesystem::path& path) : archive_(archive), path_(path) {}

  std::map<std::string, Bytes> read() const {
    const std::uint64_t end = find_end();
    std::uint64_t count = number(end + 10, 2), place = number(end + 16, 4);
    if (end >= kLocator64Size && number(end - kLocator64Size, 4) == kLocator64) {
      const std::uint64_t end64 = number(end - kLocator64Size + 8, 8);
      if (number(end64, 4) != kEnd64) bad("its directory is not where it says");
      part(end64, kEnd64Size);
      count = number(end64 + 32, 8);
      place = number(end64 + 48, 8);
    }
    std::map<std::string, Bytes> files;
    for (std::uint64_t i = 0; i < count; ++i) place = read_entry(place, files);
    return files;
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    throw Error("not a whole zip archive: " + what, {path_, 0}, "copy or download it again");
  }

  Bytes part(std::uint64_t begin, std::uint64_t size) const {
    if (begin > archive_.size() || size > archive_.size() - begin) bad("it is cut short");
    return archive_.subspan(begin, size);
  }

  // Little-endian.
  std::uint64_t number(std::uint64_t begin, std::uint64_t size) const {
    const Bytes bytes = part(begin, size);
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }

  std::uint64_t find_end() const {
    const std::uint64_t size = archive_.size();
    for (std::uint64_t back = kEndSize; back <= std::min(size, kEndSize + kLongestComment); ++back) {
      if (number(size - back, 4) == kEnd && number(size - back + 20, 2) == back - kEndSize) return size - back;
    }
    bad("it has no directory");
  }

  // Reads the directory's entry at `place`; returns the place of the next one.
  std::uint64_t read_entry(std::uint64_t place, std::map<std::string, Bytes>& files) const {
    if (number(place, 4) != kEntry) bad("its directory is damaged");
    const std::uint64_t flags = number(place + 8, 2), method = number(place + 10, 2);
    std::uint64_t packed = number(place + 20, 4), size = number(place + 24, 4), local = number(place + 42, 4);
    const std::uint64_t name_size = number(place + 28, 2), extra_size = number(place + 30, 2);
    const Bytes name_bytes = part(place + kEntrySize, name_size);
    const std::string name(reinterpret_cast<const char*>(name_bytes.data()), name_bytes.size());
    read_wide_sizes(place + kEntrySize + name_size, extra_size, {&size, &packed, &local});
    if ((flags & 1) != 0) bad(in_quotes(name) + " is encrypted");
    if (method != 0 || packed != size) bad(in_quotes(name) + " is compressed, which PyTorch never does");

    if (number(local, 4) != kLocal) bad(in_quotes(name) + " is not where it says");
    const std::uint64_t begin = local + kLocalSize + number(local + 26, 2) + number(local + 28, 2);
    if (!files.emplace(name, part(begin, size)).second) bad(in_quotes(name) + " is there twice");
    return place + kEntrySize + name_size + extra_size + number(place + 32, 2);
  }

  // Values that do not fit 32 bits stand in an extra field, one after the other.
  void read_wide_sizes(std::uint64_t place, std::uint64_t size, std::initializer_list<std::uint64_t*> values) const {
    const std::uint64_t end = place + size;
    while (place + 4 <= end) {
      const std::uint64_t kind = number(place, 2), length = number(place + 2, 2);
      place += 4;
      if (kind == kWide) {
        for (std::uint64_t* const value : values) {
          if (*value != kIn64Bits) continue;
          *value = number(place, 8);
          place += 8;
        }
        return;
      }
      place += length;
    }
  }

  Bytes archive_;
  const std::filesystem::path& path_;
};

}  // namespace

std::map<std::string, Bytes> read_zip(Bytes archive, const std::filesystem::path& path) {
  return ZipReader(archive, path).read();
}

bool is_zip(Bytes bytes) {
  constexpr std::string_view kBegin = "PK\x03\x04";
  return bytes.size() >= kBegin.size() && std::memcmp(bytes.data(), kBegin.data(), kBegin.size()) == 0;
}

}  // namespace polymoe
