#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "polymoe/base/ascii.h"
#include "polymoe/base/error.h"
#include "polymoe/base/utf8.h"
#include "polymoe/formats/document.h"
#include "polymoe/formats/markup.h"

namespace polymoe {
namespace {

constexpr std::string_view kArrow = "-->";

struct Line {
  std::string_view text;  // without its end
  std::string_view whole;
};

std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::size_t past = std::min(end + 1, text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back({line, text.substr(begin, past - begin)});
    begin = past;
  }
  return lines;
}

/// SubRip and WebVTT. A cue is a segment: the lines below its times, up to a blank one. Times, numbers, settings and
/// comments stay as they are.
class Subtitles : public Document {
 public:
  Subtitles(const std::string& bytes, const DocumentContext& context, bool is_vtt) : is_vtt_(is_vtt) {
    check_document_text(bytes, context.path);
    const std::vector<Line> lines = lines_of(bytes);
    if (is_vtt && (lines.empty() || lines[0].text.find("WEBVTT") == std::string_view::npos)) {
      throw Error("the first line is not 'WEBVTT'", {context.path, 1}, "SubRip files are of --format srt");
    }
    parts_.emplace_back();
    for (std::size_t i = 0; i < lines.size(); ++i) {
      parts_.back() += lines[i].whole;
      if (lines[i].text.find(kArrow) == std::string_view::npos) continue;
      std::string text;
      const std::size_t first = i + 1;
      while (i + 1 < lines.size() && !ends_cue(lines, i + 1)) text += lines[++i].whole;
      if (!text.empty()) add_cue(text, first + 1);
    }
    if (parts_.size() == 1 && !shows_nothing(bytes) && !is_vtt) {
      throw Error("holds no subtitle: no line with '-->' and text below it", {context.path, 0},
                  "SubRip has '00:00:01,000 --> 00:00:02,500' above each text");
    }
  }

  std::string fill(std::size_t segment, const std::vector<Span>& translation) override {
    const std::size_t part = cue_parts_.at(segment);
    if (text_of(translation).find(kArrow) != std::string::npos) {
      return "it would hold '-->', which begins another subtitle";
    }
    std::string text = write_spans(translation, tags_.at(segment), is_vtt_ ? escape_markup : as_it_is);
    parts_.at(part) = std::move(text);
    return "";
  }

  std::string text() override {
    std::string text;
    for (const std::string& part : parts_) text += part;
    return text;
  }

 private:
  /// An empty line does, and one that holds times. One that only looks empty may be text, as a no-break space is that
  /// keeps a line's height, unless another cue follows, with a number or without.
  static bool ends_cue(const std::vector<Line>& lines, std::size_t at) {
    const auto holds_times = [&](std::size_t i) { return lines[i].text.find(kArrow) != std::string_view::npos; };
    if (holds_times(at)) return true;
    if (!shows_nothing(lines[at].text)) return false;
    if (lines[at].text.empty() || at + 1 == lines.size()) return true;
    return holds_times(at + 1) || (at + 2 < lines.size() && holds_times(at + 2));
  }

  void add_cue(const std::string& text, std::uint64_t line) {
    parts_.push_back(text);
    Segment segment{.spans = {}, .line = line, .line_ends = LineEnds::kParagraphs};
    std::vector<std::string> tags;
    MarkupReader reader(text);
    for (MarkupToken token = reader.next(); token.kind != MarkupToken::Kind::kEnd; token = reader.next()) {
      switch (token.kind) {
        case MarkupToken::Kind::kText:
          add_cue_text(segment.spans, token.bytes, tags);
          continue;
        case MarkupToken::Kind::kOpen:
          segment.spans.push_back({Span::Kind::kOpen, cue_name(token.name), tags.size()});
          break;
        case MarkupToken::Kind::kClose:
          segment.spans.push_back({Span::Kind::kClose, cue_name(token.name), tags.size()});
          break;
        default:
          segment.spans.push_back({Span::Kind::kEmpty, "x", tags.size()});
      }
      tags.emplace_back(token.bytes);
    }
    settle_unpaired(segment.spans);
    if (shows_nothing(text_of(segment.spans))) {
      ++passed_over_["subtitles without text"];
    } else {
      segments_.push_back(std::move(segment));
      tags_.push_back(std::move(tags));
      cue_parts_.push_back(parts_.size() - 1);
    }
    parts_.emplace_back();
  }

  /// "c.yellow" opens what "c" closes.
  static std::string cue_name(const std::string& name) { return name.substr(0, name.find('.')); }

  /// Text between tags. SubRip's "{\an8}" and WebVTT's "<00:01.000>" and entities count as tags or characters.
  void add_cue_text(std::vector<Span>& spans, std::string_view text, std::vector<std::string>& tags) const {
    const auto add_empty = [&](std::string_view bytes) {
      spans.push_back({Span::Kind::kEmpty, "x", tags.size()});
      tags.emplace_back(bytes);
    };
    std::string lacking;  // closers that the rest of the text has not
    for (std::size_t at = 0; at < text.size();) {
      const std::string_view rest = text.substr(at);
      std::size_t length = 0;
      if (is_vtt_ && rest[0] == '&') {
        length = entity_length(text, at);
        const std::string character = length > 0 ? entity_text(rest.substr(0, length)) : "";
        if (length > 0 && character.empty()) add_empty(rest.substr(0, length));
        if (length > 0) polymoe::add_text(spans, character);
      } else if (rest.starts_with("{\\") ||
                 (is_vtt_ && rest.size() > 1 && rest[0] == '<' && ascii::is_digit(rest[1]))) {
        const char closer = rest[0] == '{' ? '}' : '>';
        if (lacking.find(closer) == std::string::npos) length = rest.find(closer) + 1;
        if (length > 0) {
          add_empty(rest.substr(0, length));
        } else {
          lacking += closer;
        }
      }
      if (length == 0) polymoe::add_text(spans, rest.substr(0, length = 1));
      at += length;
    }
  }

  bool is_vtt_;
  std::vector<std::string> parts_;  // of the file: between cues, and cues
  std::vector<std::size_t> cue_parts_;
  std::vector<std::vector<std::string>> tags_;
};

}  // namespace

std::unique_ptr<Document> read_subtitles(const std::string& bytes, const DocumentContext& context, bool is_vtt) {
  return std::make_unique<Subtitles>(bytes, context, is_vtt);
}

}  // namespace polymoe
