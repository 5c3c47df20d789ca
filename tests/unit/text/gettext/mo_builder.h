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

  /// Strings of fixed text with names such as "<PRIu64>" in them, which stand in tables of their own.
  MoBuilder& add_platform(std::string original, std::string translation) {
    platform_entries_.emplace_back(std::move(original), std::move(translation));
    return *this;
  }

  /// Minor revision 1 where there are such strings.
  std::string build() const { return platform_entries_.empty() ? build_plain() : build_with_platform_strings(); }

 private:
  std::string build_plain() const {
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

  // Header, the table of names, two tables of offsets, and the plain tables behind them; strings come last.
  std::string build_with_platform_strings() const {
    constexpr std::uint32_t kHeader = 48;
    const std::string plain = build_plain();
    std::vector<std::string> names;
    std::string tables, body;
    const auto count = static_cast<std::uint32_t>(platform_entries_.size());
    std::vector<std::vector<Piece>> strings;
    for (const auto& entry : platform_entries_) strings.push_back(pieces_of(entry.first, names));
    for (const auto& entry : platform_entries_) strings.push_back(pieces_of(entry.second, names));

    const auto num_names = static_cast<std::uint32_t>(names.size());
    const std::uint32_t names_at = kHeader, originals_at = names_at + 8 * num_names;
    const std::uint32_t translations_at = originals_at + 4 * count, body_at = translations_at + 4 * count;
    const auto here = [&] { return body_at + static_cast<std::uint32_t>(body.size()); };
    for (const std::string& name : names) {
      put(tables, static_cast<std::uint32_t>(name.size()) + 1);
      put(tables, here());
      body += name + '\0';
    }
    for (const std::vector<Piece>& pieces : strings) {
      const std::uint32_t text_at = here();
      for (const Piece& piece : pieces) body += piece.text;
      put(tables, here());
      put(body, text_at);
      for (const Piece& piece : pieces) {
        put(body, static_cast<std::uint32_t>(piece.text.size()));
        put(body, piece.name);
      }
    }
    // The plain catalogue's strings lie behind, moved by what stands before.
    const std::uint32_t move = here() - 28;
    const auto entries = static_cast<std::uint32_t>(entries_.size());
    std::string file;
    for (const std::uint32_t value : {0x950412deu, 1u, entries, 28 + move, 28 + 8 * entries + move, 0u, 0u, num_names,
                                      names_at, count, originals_at, translations_at})
      put(file, value);
    std::string moved = plain.substr(28);
    for (std::uint32_t i = 0; i < 2 * entries; ++i) {
      std::string offset;
      put(offset, word_of(moved, 8 * i + 4) + move);
      moved.replace(8 * i + 4, 4, offset);
    }
    return file + tables + body + moved;
  }

  struct Piece {
    std::string text;
    std::uint32_t name;
  };
  static std::vector<Piece> pieces_of(std::string text, std::vector<std::string>& names) {
    std::vector<Piece> pieces;
    for (std::size_t open; (open = text.find('<')) != std::string::npos;) {
      const std::size_t close = text.find('>', open);
      pieces.push_back({text.substr(0, open), static_cast<std::uint32_t>(names.size())});
      names.push_back(text.substr(open + 1, close - open - 1));
      text.erase(0, close + 1);
    }
    pieces.push_back({text + '\0', 0xFFFFFFFFu});
    return pieces;
  }

  std::uint32_t word_of(const std::string& file, std::size_t at) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      value |= std::uint32_t{static_cast<unsigned char>(file[at + i])} << 8 * (big_endian_ ? 3 - i : i);
    }
    return value;
  }

 public:
  /// One 32-bit number in the catalogue's byte order.
  void put(std::string& file, std::uint32_t value) const {
    for (int i = 0; i < 4; ++i) file += static_cast<char>(value >> 8 * (big_endian_ ? 3 - i : i));
  }

 private:
  bool big_endian_;
  std::vector<std::pair<std::string, std::string>> entries_;
  std::vector<std::pair<std::string, std::string>> platform_entries_;
};

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace polymoe
