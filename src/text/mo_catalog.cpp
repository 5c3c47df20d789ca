#include "text/mo_catalog.h"

#include <cstring>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "text/charset.h"

namespace polymoe {
namespace {

constexpr std::uint32_t kMagic = 0x950412de;
constexpr std::uint32_t kSwappedMagic = 0xde120495;
constexpr std::size_t kHeaderBytes = 20;  // magic, revision, number of strings, offsets of the two tables
constexpr std::size_t kEntryBytes = 8;    // length and offset of a string

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
    originals_ = table(word(12));
    translations_ = table(word(16));
    // Strings of real catalogues never share bytes. Where they do, a small file could stand for terabytes.
    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < count_; ++i) total += original(i).size() + translation(i).size();
    if (total > bytes.size()) damaged("its strings overlap");
  }

  std::uint32_t count() const { return count_; }
  std::string_view original(std::uint32_t index) const { return string_at(originals_ + index * kEntryBytes); }
  std::string_view translation(std::uint32_t index) const { return string_at(translations_ + index * kEntryBytes); }

 private:
  [[noreturn]] void damaged(const std::string& what) const { throw Error(what, {path_, 0}, "is the file whole?"); }

  std::uint32_t word(std::size_t offset) const {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return swapped_ ? __builtin_bswap32(value) : value;
  }

  std::size_t table(std::uint32_t offset) const {
    if (offset > bytes_.size() || count_ > (bytes_.size() - offset) / kEntryBytes) {
      damaged("a string table lies outside the file");
    }
    return offset;
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
  catalog.messages.reserve(raw.count());
  std::string original, translation;
  for (std::uint32_t i = 0; i < raw.count(); ++i) {
    if (raw.original(i).empty()) continue;
    if (decoder->decode(raw.original(i), original) && decoder->decode(raw.translation(i), translation)) {
      catalog.messages.push_back(message_of(original, translation));
    } else {
      ++catalog.undecodable;
    }
  }
  return catalog;
}

}  // namespace polymoe
