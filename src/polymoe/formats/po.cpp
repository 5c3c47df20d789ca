#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gettext-po.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/formats/document.h"
#include "polymoe/formats/markup.h"
#include "polymoe/formats/pairs.h"
#include "polymoe/formats/po_file.h"
#include "polymoe/text/gettext/accelerators.h"
#include "polymoe/text/gettext/catalog_pairs.h"
#include "polymoe/text/gettext/plural_rule.h"

namespace polymoe {
namespace {

constexpr const char* kObsolete = "messages that are obsolete";

/// Which forms of a message a segment fills.
enum class Form { kOnly, kSingular, kPlural };

/// Throws Error for a catalogue in another character set or of another language.
void check_header(const PoFile& file, const DocumentContext& context) {
  const std::string charset = file.charset();
  if (charset == "CHARSET") {
    throw Error("its header names no character set: it is a template", {context.path, 0},
                fmt::format("make a catalogue of it with 'msginit -i {0} -l {1} -o {1}.po', and if need be 'msgconv -t "
                            "UTF-8 -o {1}.po {1}.po'",
                            context.path, context.target));
  }
  std::string plain;  // as "UTF8", which gettext does not know but programs write
  for (const char c : charset) {
    if (c != '-') plain += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  if (!plain.empty() && plain != "UTF8") {
    throw Error(fmt::format("its character set is {}, not UTF-8", in_quotes(charset)), {context.path, 0},
                fmt::format("convert it: msgconv -t UTF-8 -o {0} {0}", context.path));
  }
  const std::string language = file.header_field("Language");
  if (!language.empty() && !means_language(language, context.target)) {
    throw Error(
        fmt::format("its header says that it is of the language {}, not '{}'", in_quotes(language), context.target),
        {context.path, 0}, "give -t that language, or put the header right");
  }
}

struct Place {
  po_message_t message = nullptr;
  Form form = Form::kOnly;
  std::string source;             // as the catalogue has it, with accelerator and tags
  std::vector<std::string> tags;  // the bytes of each
};

class PoDocument : public Document {
 public:
  PoDocument(const std::string& bytes, const DocumentContext& context) : file_(bytes, context.path) {
    check_header(file_, context);
    find_plural_rule();
    find_mark();
    for (po_message_t message : file_.messages()) add(message);
  }

  std::string fill(std::size_t segment, const std::vector<Span>& translation) override {
    const Place& place = places_.at(segment);
    const std::string text = add_accelerator(write_spans(translation, place.tags, as_it_is), place.source, mark_);
    std::string fault = file_.check(place.message, place.source, text);
    if (!fault.empty()) return fault;
    if (place.form == Form::kOnly) {
      po_message_set_msgstr(place.message, text.c_str());
    } else {
      for (const int form : empty_forms(place.message, place.form)) {
        po_message_set_msgstr_plural(place.message, form, text.c_str());
      }
    }
    po_message_set_fuzzy(place.message, 1);
    return "";
  }

  std::string text() override { return file_.text(); }

 private:
  void find_plural_rule() {
    rule_ = PluralRule(file_.header_field("Plural-Forms"));
    // The form for 1 is that of other numbers as well, such as 21: it must tell the number.
    constexpr unsigned long kFar = 1000;
    singular_is_general_ = false;
    for (unsigned long n = 0; n < kFar; ++n) {
      singular_is_general_ = singular_is_general_ || (n != 1 && rule_.form_of(n) == rule_.form_of(1));
    }
  }

  void find_mark() {
    std::vector<CatalogMessage> messages;
    for (po_message_t message : file_.messages()) messages.push_back({"", po_message_msgid(message), "", {""}});
    mark_ = accelerator_mark_of(messages);
  }

  void add(po_message_t message) {
    const std::string_view id = po_message_msgid(message);
    if (po_message_is_obsolete(message) != 0) {
      ++passed_over_[kObsolete];
    } else if (id.starts_with("_:")) {
      ++passed_over_["messages with a context in the text, as KDE's old ones"];
    } else if (is_metadata(id)) {
      ++passed_over_["messages that ask for the translators' names"];
    } else if (const char* const plural = po_message_msgid_plural(message); plural != nullptr) {
      add_plural(message, id, plural);
    } else if (*po_message_msgstr(message) != '\0') {
      ++passed_over_["messages that have a translation already"];
    } else {
      add_segment(message, Form::kOnly, id);
    }
  }

  void add_plural(po_message_t message, std::string_view id, std::string_view plural) {
    if (!rule_.is_read()) {
      ++passed_over_["messages with plural, for the header has no Plural-Forms that can be read"];
      return;
    }
    const bool singular_empty = !empty_forms(message, Form::kSingular).empty();
    const bool plural_empty = !empty_forms(message, Form::kPlural).empty();
    if (!singular_empty && !plural_empty) ++passed_over_["messages that have a translation already"];
    if (singular_empty) add_segment(message, Form::kSingular, singular_is_general_ ? plural : id);
    if (plural_empty) add_segment(message, Form::kPlural, plural);
  }

  void add_segment(po_message_t message, Form form, std::string_view source) {
    Place place{message, form, std::string(source), {}};
    Segment segment{.spans = spans_of_message(strip_accelerator(source, mark_), place.tags),
                    .line_ends = LineEnds::kParagraphs,
                    .has_directives = true,
                    .name = place.source};
    if (segment.spans.empty()) {
      ++passed_over_["messages without text"];
      return;
    }
    segments_.push_back(std::move(segment));
    places_.push_back(std::move(place));
  }

  /// The forms of a message with plural that have no text yet. In a language of one form, that is the plural's.
  std::vector<int> empty_forms(po_message_t message, Form which) const {
    std::vector<int> forms;
    for (std::size_t form = 0; form < rule_.forms(); ++form) {
      const bool singular = rule_.forms() > 1 && form == rule_.form_of(1);
      const char* const text = po_message_msgstr_plural(message, static_cast<int>(form));
      if (singular == (which == Form::kSingular) && (text == nullptr || *text == '\0')) {
        forms.push_back(static_cast<int>(form));
      }
    }
    return forms;
  }

  PoFile file_;
  AcceleratorMark mark_ = AcceleratorMark::kNone;
  PluralRule rule_;
  bool singular_is_general_ = false;
  std::vector<Place> places_;  // of each segment
};

}  // namespace

MoCatalog read_po_translations(const std::string& bytes, const DocumentContext& context, bool unreviewed) {
  const PoFile file(bytes, context.path);
  check_header(file, context);
  MoCatalog catalog;
  const std::string forms = file.header_field("Plural-Forms");
  if (!forms.empty()) catalog.plural_rule = PluralRule(forms);
  for (po_message_t message : file.messages()) {
    if (po_message_is_obsolete(message) != 0) {
      ++catalog.passed_over[kObsolete];
      continue;
    }
    if (po_message_is_fuzzy(message) != 0 && !unreviewed) {
      ++catalog.passed_over["messages that wait for review (fuzzy)"];
      continue;
    }
    const char* const plural = po_message_msgid_plural(message);
    CatalogMessage read{.context = "", .id = po_message_msgid(message), .plural_id = "", .translations = {}};
    if (plural == nullptr) {
      read.translations.emplace_back(po_message_msgstr(message));
    } else {
      read.plural_id = plural;
      for (int form = 0; const char* const text = po_message_msgstr_plural(message, form); ++form) {
        read.translations.emplace_back(text);
      }
    }
    if (!read.translations.empty()) catalog.messages.push_back(std::move(read));
  }
  return catalog;
}

std::unique_ptr<Document> read_po_document(const std::string& bytes, const DocumentContext& context) {
  return std::make_unique<PoDocument>(bytes, context);
}

}  // namespace polymoe
