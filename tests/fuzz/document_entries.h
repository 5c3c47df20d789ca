#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/scratch.h"
#include "polymoe/base/utf8.h"
#include "polymoe/formats/document.h"
#include "polymoe/formats/fill.h"
#include "polymoe/formats/pairs.h"
#include "polymoe/text/gettext/catalog_pairs.h"

/// What the fuzzers of documents run on any bytes.
namespace polymoe {

/// A model that turns every second line round, word by word, tags and directives too.
inline std::vector<LineTranslation> turn_round(const std::vector<std::string>& lines) {
  std::vector<LineTranslation> translations;
  for (const std::string& line : lines) {
    std::string text;
    for (std::size_t end = line.size(); end > 0 && translations.size() % 2 == 1;) {
      const std::size_t space = line.rfind(' ', end - 1);
      const std::size_t begin = space == std::string::npos ? 0 : space + 1;
      text += line.substr(begin, end - begin) + " ";
      end = begin == 0 ? 0 : space;
    }
    translations.push_back({text.empty() ? line : text, true});
  }
  return translations;
}

/// The pairs that a document holds are lines of text.
inline void take_pairs(DocumentFormat format, const std::string& bytes, const DocumentContext& context) {
  constexpr std::size_t kMostCharacters = 500;
  PairCounts counts;
  for (const SegmentPair& pair : pairs_of(read_translations(format, bytes, context, true), kMostCharacters, counts)) {
    for (const std::string& line : {pair.english, pair.translation}) {
      require(find_bad_utf8(line) == std::string::npos && line.find_first_of("\t\r\n") == std::string::npos);
    }
  }
}

/// A document that is read can be filled, written, and read again, its pairs taken out. The first byte chooses among
/// the formats.
inline void fuzz_document(const std::uint8_t* data, std::size_t size, std::initializer_list<DocumentFormat> formats) {
  if (size == 0) return;
  const DocumentFormat format = formats.begin()[data[0] % formats.size()];
  const std::string bytes(text_of(data + 1, size - 1));
  const DocumentContext context{"fuzz", "en", "de"};
  std::string written;
  std::size_t segments = 0;
  const bool read = loads([&] {
    const auto document = read_document(format, bytes, context);
    segments = document->segments().size();
    const FillReport report = fill_document(*document, turn_round);
    require(report.segments == segments && report.filled + report.left() == segments);
    written = document->text();
  });
  if (!read) return;
  require(find_bad_utf8(written) == std::string::npos);
  require(loads([&] { read_document(format, written, context); }));
  const bool holds_pairs =
      format == DocumentFormat::kPo || format == DocumentFormat::kTmx || format == DocumentFormat::kXliff;
  if (holds_pairs) require(loads([&] { take_pairs(format, written, context); }));
}

}  // namespace polymoe
