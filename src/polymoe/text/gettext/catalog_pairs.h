#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/text/gettext/mo_catalog.h"
#include "polymoe/text/segment_cleaning.h"

namespace polymoe {

/// An English segment and its translation, both clean lines.
struct SegmentPair {
  std::string english;
  std::string translation;
};

/// What became of the messages of catalogues. Apart from `messages`, units are segment pairs.
struct PairCounts {
  std::uint64_t messages = 0;                               ///< read
  std::array<std::uint64_t, kNumPairFaults> by_fault = {};  ///< indexed by PairFault
  std::uint64_t unaligned = 0;           ///< messages whose sides split into unequal numbers of paragraphs
  std::uint64_t undecodable = 0;         ///< messages that are not text in their catalogue's charset
  std::uint64_t unknown_directives = 0;  ///< messages with a directive that this platform lacks
  std::uint64_t untranslated = 0;        ///< messages without a translation, and those that are no text to translate
  std::uint64_t over_list_cap = 0;       ///< surplus names of a catalogue that is a list
  std::uint64_t repeated = 0;            ///< the English text had a translation already

  PairCounts& operator+=(const PairCounts& other);
};

/// The segment pairs of a catalogue. What the English side becomes depends only on its own catalogue's English texts,
/// so that the same message gives the same English segment in each language. A message with plural gives two pairs: the
/// singular with the form for 1, the plural with the form for 100 (the same form where the language has one). A
/// catalogue that is a long list of names (of all the world's languages and provinces, say) gives at most kListCap
/// pairs, those with the smallest hash of the English text.
std::vector<SegmentPair> pairs_of(const MoCatalog& catalog, std::size_t max_chars, PairCounts& counts);

inline constexpr std::size_t kListCap = 1000;

/// Whether a message is no text to translate: it asks translators for their names, or begins with KDE's old way to put
/// a context into the text.
bool is_metadata(std::string_view english);

}  // namespace polymoe
