#include "polymoe/formats/fill.h"

#include <optional>
#include <unordered_map>
#include <utility>

#include <fmt/core.h>

#include "polymoe/base/quote.h"
#include "polymoe/formats/text_layout.h"
#include "polymoe/text/format_directives.h"
#include "polymoe/text/segment_cleaning.h"

namespace polymoe {
namespace {

/// Lines to translate, each once, and what came of them.
class Lines {
 public:
  void add(const TextLayout& layout) {
    for (const std::string& line : layout.lines()) {
      if (index_.emplace(line, all_.size()).second) all_.push_back(line);
    }
  }

  /// Translates what was added since the last time.
  void translate(const TranslateLines& translate) {
    const std::vector<std::string> fresh(all_.begin() + static_cast<std::ptrdiff_t>(done_.size()), all_.end());
    if (fresh.empty()) return;
    for (LineTranslation& line : translate(fresh)) done_.push_back(std::move(line));
  }

  const LineTranslation& of(const std::string& line) const { return done_.at(index_.at(line)); }

 private:
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::string> all_;
  std::vector<LineTranslation> done_;
};

/// A text that the model need not see, since no translation could differ.
bool needs_translation(const std::string& text) { return has_letters(without_directives(text)); }

/// A text and its translation: from Lines, or the text itself.
struct Piece {
  explicit Piece(const std::string& text, LineEnds line_ends, Lines& lines)
      : layout(text, line_ends), translated(needs_translation(text)), source(text) {
    if (translated) lines.add(layout);
  }

  TextLayout layout;
  bool translated;
  std::string source;
};

enum class Fault { kNone, kCut, kEmpty };

/// What a translation that is filled in may lack all the same.
struct Flaws {
  bool unknown = false;  // the model did not know all of the text
  bool broken = false;   // placeholders, tags or addresses
  bool unmet = false;    // terms of the glossary
};

/// Sets the flaws that there are.
Fault translation_of(const Piece& piece, const Lines& lines, std::string& text, Flaws& flaws) {
  text = piece.source;
  if (!piece.translated) return Fault::kNone;
  std::vector<std::string> translations;
  for (const std::string& line : piece.layout.lines()) {
    const LineTranslation& translation = lines.of(line);
    if (!translation.whole) return Fault::kCut;
    flaws.unknown = flaws.unknown || translation.unknown > 0;
    flaws.broken = flaws.broken || !translation.keeps_placeholders;
    flaws.unmet = flaws.unmet || !translation.keeps_terms;
    translations.push_back(clean_line(translation.text));
    if (translations.back().empty()) return Fault::kEmpty;
  }
  text = piece.layout.join(translations);
  return Fault::kNone;
}

/// A segment under way: as a whole, with its tags shown to the model, or in the pieces between them.
struct Work {
  PeeledSpans peeled;
  std::vector<Piece> pieces;  // one, or one for each text of the core
  bool piecewise = false;
};

void cut_into_pieces(Work& work, const Segment& segment, Lines& lines) {
  work.piecewise = true;
  work.pieces.clear();
  for (const Span& span : work.peeled.core) {
    if (span.kind == Span::Kind::kText) work.pieces.emplace_back(span.text, segment.line_ends, lines);
  }
}

Work begin(const Segment& segment, Lines& lines) {
  Work work{.peeled = peel(segment.spans), .pieces = {}};
  if (is_balanced(work.peeled.core)) {
    work.pieces.emplace_back(show(work.peeled.core), segment.line_ends, lines);
  } else {
    cut_into_pieces(work, segment, lines);
  }
  return work;
}

/// The translation of the core; nothing where tags were lost.
std::optional<std::vector<Span>> core_of(const Work& work, const Lines& lines, Fault& fault, Flaws& flaws) {
  std::vector<Span> spans = work.peeled.core;
  std::string text;
  if (!work.piecewise) {
    fault = translation_of(work.pieces[0], lines, text, flaws);
    if (fault != Fault::kNone) return spans;
    if (spans.size() == 1 && spans[0].kind == Span::Kind::kText) {  // whatever it looks like, it is no tag
      spans[0].text = text;
      return spans;
    }
    return read_shown(text, spans);
  }
  std::size_t next = 0;
  for (Span& span : spans) {
    if (span.kind != Span::Kind::kText) continue;
    fault = translation_of(work.pieces[next++], lines, span.text, flaws);
    if (fault != Fault::kNone) break;
  }
  return spans;
}

/// Fills in the results and keeps the count.
class Filler {
 public:
  Filler(Document& document, const LeftSink& left) : document_(document), left_(left) {
    report_.segments = document.segments().size();
  }

  void fill(std::size_t index, const Work& work, const Lines& lines) {
    const Segment& segment = document_.segments()[index];
    Fault fault = Fault::kNone;
    Flaws flaws;
    const std::optional<std::vector<Span>> core = core_of(work, lines, fault, flaws);
    if (fault == Fault::kCut) return leave(report_.cut, "it is longer than the model reads or writes", segment);
    if (fault == Fault::kEmpty) return leave(report_.empty, "the model writes nothing", segment);
    std::vector<Span> spans = work.peeled.before;
    spans.insert(spans.end(), core->begin(), core->end());
    spans.insert(spans.end(), work.peeled.behind.begin(), work.peeled.behind.end());
    if (segment.has_directives && !same_directives(text_of(segment.spans), text_of(spans))) {
      return leave(report_.lost_directives, "the model changed a place that a program fills in", segment);
    }
    const std::string reason = document_.fill(index, spans);
    if (!reason.empty()) return leave(report_.refused, reason, segment);
    ++report_.filled;
    if (work.piecewise) ++report_.piecewise;
    if (flaws.unknown) ++report_.unknown;
    if (flaws.broken) ++report_.broken;
    if (flaws.unmet) ++report_.unmet;
    bool translated = false;
    for (const Piece& piece : work.pieces) translated = translated || piece.translated;
    if (!translated) ++report_.copied;
  }

  const FillReport& report() const { return report_; }

 private:
  void leave(std::uint64_t& counter, const std::string& reason, const Segment& segment) {
    ++counter;
    if (!left_) return;
    const std::string name = segment.name.empty() ? in_quotes(text_of(segment.spans)) : in_quotes(segment.name);
    left_(fmt::format("{} is left untranslated: {}", name, reason), segment.line);
  }

  Document& document_;
  const LeftSink& left_;
  FillReport report_;
};

}  // namespace

std::string FillReport::summary() const {
  std::string text = fmt::format("{} segment{}, {} filled", segments, segments == 1 ? "" : "s", filled);
  const char* separator = " (of them ";
  for (const auto& [count, what] : {std::pair{copied, "without letters, copied"},
                                    std::pair{piecewise, "piece by piece between tags that the model lost"},
                                    std::pair{unknown, "with characters that the vocabulary does not know"},
                                    std::pair{broken, "with a placeholder, tag or address lost or added"},
                                    std::pair{unmet, "without terms of the glossary"}}) {
    if (count == 0) continue;
    text += fmt::format("{}{} {}", separator, count, what);
    separator = ", ";
  }
  if (copied + piecewise + unknown + broken + unmet > 0) text += ")";
  separator = "; left: ";
  for (const auto& [count, what] :
       {std::pair{lost_directives, "with lost directives"}, std::pair{cut, "too long for the model"},
        std::pair{empty, "without an answer"}, std::pair{refused, "refused by the format's check"}}) {
    if (count == 0) continue;
    text += fmt::format("{}{} {}", separator, count, what);
    separator = ", ";
  }
  return text;
}

FillReport fill_document(Document& document, const TranslateLines& translate, const LeftSink& left) {
  Lines lines;
  std::vector<Work> works;
  for (const Segment& segment : document.segments()) works.push_back(begin(segment, lines));
  lines.translate(translate);
  for (std::size_t i = 0; i < works.size(); ++i) {
    Fault fault = Fault::kNone;
    Flaws flaws;
    if (!works[i].piecewise && !core_of(works[i], lines, fault, flaws)) {
      cut_into_pieces(works[i], document.segments()[i], lines);
    }
  }
  lines.translate(translate);
  Filler filler(document, left);
  for (std::size_t i = 0; i < works.size(); ++i) filler.fill(i, works[i], lines);
  return filler.report();
}

}  // namespace polymoe
