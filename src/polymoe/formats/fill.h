#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "polymoe/formats/document.h"

namespace polymoe {

/// What a model made of a line.
struct LineTranslation {
  std::string text;
  bool whole = true;               ///< the model read all of the line, and the translation ends by itself
  std::size_t unknown = 0;         ///< tokens of the line that the model's vocabulary does not know
  bool keeps_placeholders = true;  ///< it holds the line's placeholders, tags and addresses, or need not
  bool keeps_terms = true;         ///< it holds the targets of the glossary's terms
};

/// Translates lines, in order; never called with none.
using TranslateLines = std::function<std::vector<LineTranslation>(const std::vector<std::string>&)>;

/// What became of a document's segments: segments = filled + left().
struct FillReport {
  std::uint64_t segments = 0;
  std::uint64_t filled = 0;
  std::uint64_t copied = 0;           ///< of `filled`: without letters, so the translation is the text itself
  std::uint64_t piecewise = 0;        ///< of `filled`: translated piece by piece between tags that the model lost
  std::uint64_t unknown = 0;          ///< of `filled`: with characters that the vocabulary does not know, now lost
  std::uint64_t broken = 0;           ///< of `filled`: with a tag or an address lost or added in prose
  std::uint64_t unmet = 0;            ///< of `filled`: without the targets of the glossary's terms
  std::uint64_t lost_directives = 0;  ///< left: the model lost or added a "%s" or "{name}"
  std::uint64_t cut = 0;              ///< left: too long for the model
  std::uint64_t empty = 0;            ///< left: the model wrote nothing
  std::uint64_t refused = 0;          ///< left: the format's own check refused it

  std::uint64_t left() const { return lost_directives + cut + empty + refused; }
  /// "40 segments, 38 filled (of them 2 without letters, copied); left: 2 with lost directives".
  std::string summary() const;
};

/// Hears of each segment that is left untranslated, and why, with its line (0: not known).
using LeftSink = std::function<void(const std::string& message, std::uint64_t line)>;

/// Translates a document's segments and fills them in. Lines that come twice are translated once. Tags are shown to the
/// model (see show()); where it loses one, the text between them is translated by itself. What cannot be filled in
/// safely stays as it is, told to `left` and counted.
FillReport fill_document(Document& document, const TranslateLines& translate, const LeftSink& left = {});

}  // namespace polymoe
