#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace polymoe {

/// Writes message catalogues in the .mo format for tests, in either byte order.
class MoBuilder {
 public:
  explicit MoBuilder(bool big_endian = false) : big_endian_(big_endian) {}

  MoBuilder& header(const std::string& text) { return add("", text); }
  MoBuilder& utf8_header(const std::string& plural_forms = "nplurals=2; plural=(n != 1);") {
    return header("Content-Type: text/plain; charset=UTF-8\nPlural-Forms: " + plural_forms + "\n");
  }
  MoBuilder& add(std::string original, std::string translation) {
    entries_.emplace_back(std::move(original), std::move(translation));
    return *this;
  }

  std::string build() const {
    std::vector<std::pair<std::string, std::string>> entries = entries_;
    std::sort(entries.begin(), entries.end());  // the format wants the originals sorted
    const auto count = static_cast<std::uint32_t>(entries.size());
    constexpr std::uint32_t kHeader = 28;
    std::uint32_t offset = kHeader + 16 * count;
    std::string file, tables, strings;
    for (const std::uint32_t value : {0x950412deu, 0u, count, kHeader, kHeader + 8 * count, 0u, offset})
      put(file, value);
    const auto add_string = [&](const std::string& text) {
      put(tables, static_cast<std::uint32_t>(text.size()));
      put(tables, offset);
      strings += text + '\0';
      offset += static_cast<std::uint32_t>(text.size()) + 1;
    };
    for (const auto& [original, translation] : entries) add_string(original);
    for (const auto& [original, translation] : entries) add_string(translation);
    return file + tables + strings;
  }

  /// One 32-bit number in the catalogue's byte order.
  void put(std::string& file, std::uint32_t value) const {
    for (int i = 0; i < 4; ++i) file += static_cast<char>(value >> 8 * (big_endian_ ? 3 - i : i));
  }

 private:
  bool big_endian_;
  std::vector<std::pair<std::string, std::string>> entries_;
};

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace polymoe
