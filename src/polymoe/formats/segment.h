#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/formats/text_layout.h"

/// What a document is translated in: segments of text with inline tags.
namespace polymoe {

/// A run of text, or one inline tag ("<b>", an XLIFF placeholder, a subtitle's "<i>").
struct Span {
  enum class Kind { kText, kOpen, kClose, kEmpty };
  Kind kind = Kind::kText;
  std::string text;     ///< of kText: plain text, without entities; of a tag: its name, as "b"
  std::size_t tag = 0;  ///< of a tag: the number by which its document knows what to write
};

/// A piece of a document that is translated on its own: a message, a paragraph, a subtitle.
struct Segment {
  std::vector<Span> spans;
  std::uint64_t line = 0;  ///< where it begins in the file, from 1; 0: not known
  LineEnds line_ends = LineEnds::kSpaces;
  bool has_directives = false;  ///< it may hold places that a program fills in ("%s"), which must not be lost
  std::string name = {};        ///< what messages call it where it has no line
};

/// The text of the spans, without their tags.
std::string text_of(const std::vector<Span>& spans);

/// More spans are no sentence: their tags are taken to form no pairs, or hostile files would take hours.
inline constexpr std::size_t kMostSpans = 1000;

/// Whether each tag that opens has one that closes, none crossing another. False for more than kMostSpans.
bool is_balanced(const std::vector<Span>& spans);

/// Spans at the ends that a translation leaves where they are: tags around the whole text, empty ones before and
/// behind it. What is left is `core`.
struct PeeledSpans {
  std::vector<Span> before, core, behind;
};
PeeledSpans peel(const std::vector<Span>& spans);

/// The spans as one text for the model: tags as "<b>", "</b>", "<x/>"; numbered, "<b1>", where a name comes twice.
std::string show(const std::vector<Span>& spans);

/// Reads a translation of show(`source`) back. Nothing where a tag of the source is missing, comes twice or crosses
/// another, where there is another one, or where the source's text itself holds what looks like one.
std::optional<std::vector<Span>> read_shown(std::string_view translation, const std::vector<Span>& source);

}  // namespace polymoe
