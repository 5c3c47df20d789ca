#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/formats/segment.h"

/// Tags in text, as HTML, subtitles and messages have them. The bytes of a document stay what they are: a parser would
/// write a page anew.
namespace polymoe {

struct MarkupToken {
  enum class Kind {
    kText,
    kOpen,   ///< "<b>"
    kClose,  ///< "</b>"
    kEmpty,  ///< "<br/>"
    kOther,  ///< a comment, a document type, a processing instruction; a tag that the text ends in
    kEnd,    ///< of the text
  };
  Kind kind = Kind::kEnd;
  std::string_view bytes;
  std::string name;  ///< of a tag, in lower case
};

/// Takes text apart into tags and what is between them, as HTML's own rules tell them apart.
class MarkupReader {
 public:
  explicit MarkupReader(std::string_view text) : text_(text) {}

  MarkupToken next();

  /// The bytes up to the tag that closes `name`, or to the end: of elements such as <script>, whose text holds no tags.
  std::string_view raw_text(std::string_view name);

  std::size_t position() const { return at_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

/// An attribute that a tag gives a value.
struct MarkupAttribute {
  std::string name;                ///< in lower case
  std::size_t begin = 0, end = 0;  ///< of the value among the tag's bytes, without quotes
  char quote = '\0';               ///< around it: '"', '\'', or none
};
std::vector<MarkupAttribute> attributes_of(std::string_view tag);

/// A message's text as spans. Only pairs of tags and empty tags are tags: "<b>", "</b>", "<br/>"; "<stdin>" is text.
/// `tags` gets the bytes of each, in the order of their numbers.
std::vector<Span> spans_of_message(std::string_view text, std::vector<std::string>& tags);

/// Appends text to the last span, or a new one.
void add_text(std::vector<Span>& spans, std::string_view text);

/// Makes an empty tag of each that opens or closes nothing.
void settle_unpaired(std::vector<Span>& spans);

/// The spans with the bytes of their tags; `escape` is applied to their text.
std::string write_spans(const std::vector<Span>& spans, const std::vector<std::string>& tags,
                        std::string (*escape)(std::string_view));

/// Text as it is, and with &, < and > as entities.
std::string as_it_is(std::string_view text);
std::string escape_markup(std::string_view text);

/// The text of an entity ("&eacute;", "&#233;"); empty for one that is not known. `bytes` are the whole of it.
std::string entity_text(std::string_view bytes);

/// The length of an entity at text[at], which is '&'; 0: none is there.
std::size_t entity_length(std::string_view text, std::size_t at);

}  // namespace polymoe
