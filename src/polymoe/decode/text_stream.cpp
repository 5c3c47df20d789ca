#include "polymoe/decode/text_stream.h"

#include <algorithm>
#include <utility>

#include "polymoe/text/sentences.h"

namespace polymoe {
namespace {

// White space at the end may vanish with the end of the text, and U+FFFD is a character of which bytes are to come.
std::string settled(std::string text) {
  constexpr std::string_view kUnfinished = "\xEF\xBF\xBD";
  for (;;) {
    if (text.ends_with(' ')) {
      text.pop_back();
    } else if (text.ends_with(kUnfinished)) {
      text.resize(text.size() - kUnfinished.size());
    } else {
      return text;
    }
  }
}

}  // namespace

void TextStream::update(std::size_t sentence, std::size_t part, std::string text, bool complete) {
  if (!is_watched()) return;
  const std::lock_guard lock(mutex_);
  Sentence& own = sentences_[sentence];
  own.parts[part] = {complete ? std::move(text) : settled(std::move(text)), complete};
  std::vector<std::string> texts;
  bool all_complete = true;
  for (const Part& known : own.parts) {
    texts.push_back(known.text);
    if (!known.complete) {
      all_complete = false;
      break;
    }
  }
  std::string joined = texts.size() == 1 ? texts.front() : join_sentences(texts);
  if (!all_complete && (joined.size() <= own.told.size() || !joined.starts_with(own.told))) return;
  const std::size_t before = std::exchange(own.told, std::move(joined)).size();
  sink_({sentence, own.told, std::string_view(own.told).substr(std::min(before, own.told.size())), all_complete});
}

}  // namespace polymoe
