#include "polymoe/text/normalization_check.h"

#include <cstdint>
#include <optional>
#include <vector>

#include "polymoe/text/wire_format.h"

namespace polymoe {
namespace {

std::uint32_t word_at(std::string_view bytes, std::size_t place) {
  std::uint32_t word = 0;
  for (unsigned i = 0; i < 4; ++i) {
    word |= std::uint32_t{static_cast<unsigned char>(bytes[place + i])} << (8 * i);
  }
  return word;
}

// Rules are a double-array trie (Darts-clone's format, 32-bit units) from texts to places in the replacements that
// follow it. A unit holds the byte that leads to it, the offset to its children and whether the first of these is a
// value.
bool is_sound(std::string_view rules) {
  if (rules.empty()) return true;
  if (rules.size() < 4) return false;
  const std::size_t trie_bytes = word_at(rules, 0);
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > rules.size() - 4) return false;
  const std::string_view trie = rules.substr(4, trie_bytes);
  const std::size_t units = trie_bytes / 4, replacements = rules.size() - 4 - trie_bytes;
  const auto unit = [&](std::size_t place) { return word_at(trie, 4 * place); };
  const auto offset = [](std::uint32_t u) { return (u >> 10) << ((u & (1u << 9)) >> 6); };

  std::vector<bool> seen(units);
  std::vector<std::size_t> todo{offset(unit(0))};
  while (!todo.empty()) {
    const std::size_t base = todo.back();
    todo.pop_back();
    if ((base | 0xFFu) >= units) return false;  // some byte of a text would lead out
    if (seen[base]) continue;
    seen[base] = true;
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::size_t child = base ^ byte;
      const std::uint32_t u = unit(child);
      constexpr std::uint32_t kLabel = (1u << 31) | 0xFFu, kHasValue = 1u << 8, kValue = ~(1u << 31);
      if ((u & kLabel) != byte) continue;
      const std::size_t next = child ^ offset(u);
      if ((u & kHasValue) != 0 && (next >= units || (unit(next) & kValue) >= replacements)) return false;
      todo.push_back(next);
    }
  }
  return true;
}

}  // namespace

bool has_sound_normalization(std::string_view model) {
  constexpr std::uint64_t kNormalizer = 3, kDenormalizer = 5, kRules = 2;  // sentencepiece_model.proto
  WireReader fields(model);
  while (const std::optional<WireReader::Field> field = fields.next()) {
    if (field->number != kNormalizer && field->number != kDenormalizer) continue;
    WireReader spec(field->bytes);
    while (const std::optional<WireReader::Field> part = spec.next()) {
      if (part->number == kRules && !is_sound(part->bytes)) return false;
    }
  }
  return true;
}

}  // namespace polymoe
