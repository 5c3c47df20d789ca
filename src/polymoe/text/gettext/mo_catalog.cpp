#include "polymoe/text/gettext/mo_catalog.h"

#include <cinttypes>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/text/gettext/charset.h"

namespace polymoe {
namespace {

constexpr std::uint32_t kMagic = 0x950412de;
constexpr std::uint32_t kSwappedMagic = 0xde120495;
constexpr std::size_t kHeaderBytes = 20;      // magic, revision, number of strings, offsets of the two tables
constexpr std::size_t kLongHeaderBytes = 48;  // of minor revision 1: six more words behind those of the hash table
constexpr std::size_t kEntryBytes = 8;        // length and offset of a string
constexpr std::size_t kWordBytes = 4;

/// What a name of <inttypes.h>, as catalogues have it, stands for on this platform; none for an unknown one.
std::optional<std::string_view> platform_directive(std::string_view name) {
  while (name.ends_with('\0')) name.remove_suffix(1);
  if (name == "I") return "I";  // glibc's flag for the digits of the language
  static const std::map<std::string_view, std::string_view> kDirectives = {
#define POLYMOE_DIRECTIVE(name) {"PRI" #name, PRI##name},
#define POLYMOE_DIRECTIVES(width) \
  POLYMOE_DIRECTIVE(d##width)     \
  POLYMOE_DIRECTIVE(i##width)     \
  POLYMOE_DIRECTIVE(o##width) POLYMOE_DIRECTIVE(u##width) POLYMOE_DIRECTIVE(x##width) POLYMOE_DIRECTIVE(X##width)
      // clang-format off
      POLYMOE_DIRECTIVES(8) POLYMOE_DIRECTIVES(16) POLYMOE_DIRECTIVES(32) POLYMOE_DIRECTIVES(64)
      POLYMOE_DIRECTIVES(LEAST8) POLYMOE_DIRECTIVES(LEAST16) POLYMOE_DIRECTIVES(LEAST32) POLYMOE_DIRECTIVES(LEAST64)
      POLYMOE_DIRECTIVES(FAST8) POLYMOE_DIRECTIVES(FAST16) POLYMOE_DIRECTIVES(FAST32) POLYMOE_DIRECTIVES(FAST64)
      POLYMOE_DIRECTIVES(MAX) POLYMOE_DIRECTIVES(PTR)
  // clang-format on
#undef POLYMOE_DIRECTIVES
#undef POLYMOE_DIRECTIVE
  };
  const auto found = kDirectives.find(name);
  return found == kDirectives.end() ? std::nullopt : std::optional(found->second);
}

/// The raw strings of the file, checked against its bounds.
class RawCatalog {
 public:
  RawCatalog(std::span<const std::byte> bytes, const std::string& path) : bytes_(bytes), path_(path) {
    if (bytes.size() < kHeaderBytes) damaged("shorter than the header of a message catalogue");
    const std::uint32_t magic = word(0);
    swapped_ = magic == kSwappedMagic;
    if (magic != kMagic && !swapped_) damaged("not a message catalogue (wrong magic number)");
    if (word(4) >> 16 > 1) damaged("a revision of the catalogue format that is not known");
    count_ = word(8);
    originals_ = table(word(12), count_, kEntryBytes);
    translations_ = table(word(16), count_, kEntryBytes);
    // Strings of real catalogues never share bytes. Where they do, a small file could stand for terabytes.
    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < count_; ++i) total += original(i).size() + translation(i).size();
    if (total > bytes.size()) damaged("its strings overlap");
    if ((word(4) & 0xFFFFu) > 0) read_platform_strings(total);
  }

  std::uint32_t count() const { return count_; }
  std::string_view original(std::uint32_t index) const { return string_at(originals_ + index * kEntryBytes); }
  std::string_view translation(std::uint32_t index) const { return string_at(translations_ + index * kEntryBytes); }

  /// Messages that were put together for this platform: original and translation.
  const std::vector<std::pair<std::string, std::string>>& platform_messages() const { return platform_messages_; }
  /// Messages that this platform cannot put together.
  std::uint64_t unknown_directives() const { return unknown_directives_; }

 private:
  [[noreturn]] void damaged(const std::string& what) const { throw Error(what, {path_, 0}, "is the file whole?"); }

  std::uint32_t word(std::size_t offset) const {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return swapped_ ? __builtin_bswap32(value) : value;
  }

  std::size_t table(std::uint32_t offset, std::uint32_t count, std::size_t entry_bytes) const {
    if (offset > bytes_.size() || count > (bytes_.size() - offset) / entry_bytes) {
      damaged("a string table lies outside the file");
    }
    return offset;
  }

  /// Minor revision 1: strings in which pieces of fixed text and names such as "PRIu64" take turns. `total`: bytes of
  /// strings so far.
  void read_platform_strings(std::uint64_t total) {
    if (bytes_.size() < kLongHeaderBytes) damaged("shorter than the header of a message catalogue");
    const std::uint32_t names = word(28), count = word(36);
    names_ = table(word(32), names, kEntryBytes);
    num_names_ = names;
    const std::size_t originals = table(word(40), count, kWordBytes), translations = table(word(44), count, kWordBytes);
    for (std::uint32_t i = 0; i < count; ++i) {
      auto original = platform_string(word(originals + i * kWordBytes), total);
      auto translation = platform_string(word(translations + i * kWordBytes), total);
      if (original && translation) {
        platform_messages_.emplace_back(std::move(*original), std::move(*translation));
      } else {
        ++unknown_directives_;
      }
    }
  }

  /// One such string: the offset of its fixed text, then for each piece its size and the name that follows it. None
  /// where a name means nothing on this platform.
  std::optional<std::string> platform_string(std::size_t at, std::uint64_t& total) const {
    constexpr std::uint32_t kEnd = 0xFFFFFFFF;
    const auto next = [&] {
      if (at > bytes_.size() || bytes_.size() - at < kWordBytes) damaged("a string lies outside the file");
      at += kWordBytes;
      return word(at - kWordBytes);
    };
    std::size_t fixed = next();
    std::string text;
    bool known = true;
    for (;;) {
      const std::size_t size = next();
      const std::uint32_t name = next();
      if (fixed > bytes_.size() || size > bytes_.size() - fixed) damaged("a string lies outside the file");
      // A piece and its name each stand in the file, so these sums stay below its size unless pieces are shared.
      total += size + 2 * kWordBytes;
      if (total > bytes_.size()) damaged("its strings overlap");
      text.append(reinterpret_cast<const char*>(bytes_.data()) + fixed, size);
      fixed += size;
      if (name == kEnd) break;
      if (name >= num_names_) damaged("a name of a directive lies outside its table");
      const std::optional<std::string_view> directive = platform_directive(string_at(names_ + name * kEntryBytes));
      known = known && directive.has_value();
      if (directive) text += *directive;
    }
    if (text.ends_with('\0')) text.pop_back();  // the end mark is part of the last piece
    return known ? std::optional(text) : std::nullopt;
  }

  std::string_view string_at(std::size_t entry) const {
    const std::size_t length = word(entry), offset = word(entry + 4);
    if (offset > bytes_.size() || length > bytes_.size() - offset) damaged("a string lies outside the file");
    return {reinterpret_cast<const char*>(bytes_.data()) + offset, length};
  }

  std::span<const std::byte> bytes_;
  const std::string& path_;
  bool swapped_ = false;
  std::uint32_t count_ = 0;
  std::size_t originals_ = 0, translations_ = 0;
  std::size_t names_ = 0;
  std::uint32_t num_names_ = 0;
  std::vector<std::pair<std::string, std::string>> platform_messages_;
  std::uint64_t unknown_directives_ = 0;
};

/// The value of a "Name: value" line of the header entry; "" where there is none.
std::string_view header_field(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    std::string_view line = header.substr(0, header.find('\n'));
    header.remove_prefix(std::min(header.size(), line.size() + 1));
    if (!line.starts_with(name)) continue;
    line.remove_prefix(name.size());
    while (line.starts_with(' ')) line.remove_prefix(1);
    return line;
  }
  return {};
}

std::string_view charset_of(std::string_view header) {
  constexpr std::string_view kKey = "charset=";
  const std::string_view type = header_field(header, "Content-Type:");
  const std::size_t begin = type.find(kKey);
  if (begin == std::string_view::npos) return "UTF-8";
  const std::string_view name = type.substr(begin + kKey.size());
  const std::string_view charset = name.substr(0, name.find_first_of(" ;\t"));
  return charset == "CHARSET" ? "UTF-8" : charset;  // the template's placeholder, never filled in
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(separator, begin)) != std::string::npos; begin = end + 1) {
    parts.push_back(text.substr(begin, end - begin));
  }
  parts.push_back(text.substr(begin));
  return parts;
}

CatalogMessage message_of(std::string original, const std::string& translation) {
  CatalogMessage message;
  if (const std::size_t end = original.find('\4'); end != std::string::npos) {
    message.context = original.substr(0, end);
    original.erase(0, end + 1);
  }
  if (const std::size_t end = original.find('\0'); end != std::string::npos) {
    message.plural_id = original.substr(end + 1);
    original.resize(end);
  }
  message.id = std::move(original);
  message.translations = split(translation, '\0');
  return message;
}

}  // namespace

MoCatalog parse_mo_catalog(std::span<const std::byte> bytes, const std::string& path) {
  const RawCatalog raw(bytes, path);
  std::string_view header;
  for (std::uint32_t i = 0; i < raw.count() && header.empty(); ++i) {
    if (raw.original(i).empty()) header = raw.translation(i);
  }
  MoCatalog catalog;
  catalog.plural_rule = PluralRule(header_field(header, "Plural-Forms:"));
  std::optional<CharsetDecoder> decoder;
  try {
    decoder.emplace(charset_of(header));
  } catch (const Error& error) {
    throw Error(error.message(), {path, 0});
  }
  catalog.messages.reserve(raw.count() + raw.platform_messages().size());
  std::string original, translation;
  const auto add = [&](std::string_view raw_original, std::string_view raw_translation) {
    if (decoder->decode(raw_original, original) && decoder->decode(raw_translation, translation)) {
      catalog.messages.push_back(message_of(original, translation));
    } else {
      ++catalog.undecodable;
    }
  };
  for (std::uint32_t i = 0; i < raw.count(); ++i) {
    if (!raw.original(i).empty()) add(raw.original(i), raw.translation(i));
  }
  for (const auto& [platform_original, platform_translation] : raw.platform_messages()) {
    add(platform_original, platform_translation);
  }
  catalog.unknown_directives = raw.unknown_directives();
  return catalog;
}

}  // namespace polymoe
