#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "polymoe/text/gettext/plural_rule.h"

namespace polymoe {

/// One message of a gettext catalogue, in UTF-8.
struct CatalogMessage {
  std::string context;                    ///< "" without one
  std::string id;                         ///< the English text
  std::string plural_id;                  ///< the English plural; "" for a message without plural
  std::vector<std::string> translations;  ///< one, or one for each plural form
};

/// A message catalogue in the binary .mo format of GNU gettext.
struct MoCatalog {
  std::vector<CatalogMessage> messages;  ///< in the file's order, without the header entry
  PluralRule plural_rule;                ///< which of `translations` belongs to which number
  std::uint64_t undecodable = 0;  ///< messages left out because their bytes are not text in the catalogue's charset
  std::uint64_t unknown_directives = 0;  ///< messages left out because they hold a directive that this platform lacks
  /// What was left out of a translator's file, with the number of each kind, as Document::passed_over().
  std::map<std::string, std::uint64_t> passed_over = {};
};

/// Parses a catalogue of either byte order. Messages whose directives depend on the platform ("%" PRIu64), which stand
/// in tables of their own, are read as gettext reads them here ("%lu"). Text in another charset than UTF-8 (as the
/// header entry says) is converted. `path` is for messages only. Throws Error for bytes that are not a whole catalogue:
/// a wrong magic number or revision, tables or strings outside the file, strings that share bytes (their sum would
/// exceed the file), an unknown charset.
MoCatalog parse_mo_catalog(std::span<const std::byte> bytes, const std::string& path);

}  // namespace polymoe
