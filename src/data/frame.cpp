#include "data/frame.h"

#include "base/error.h"

namespace polymoe {
namespace {

std::int32_t needed_tag(const Vocabulary& vocabulary, std::int32_t language) {
  const std::int32_t tag = vocabulary.language_tag(language);
  if (tag >= 0) return tag;
  fail("the vocabulary has no tag for the language '{}', so the model cannot write it",
       vocabulary.languages().at(static_cast<std::size_t>(language)));
}

}  // namespace

std::int64_t Frame::source_marks() const { return static_cast<std::int64_t>(source_head.size() + source_tail.size()); }
std::int64_t Frame::target_marks() const { return static_cast<std::int64_t>(target_head.size() + target_tail.size()); }

Frame make_frame(const Vocabulary& vocabulary, Task task, std::int32_t source_language, std::int32_t target_language) {
  Frame frame;
  if (task != Task::kTranslation) frame.source_head.push_back(task_tag(task, vocabulary));
  frame.source_tail.push_back(vocabulary.eos());
  switch (vocabulary.marks().source) {
    case TextMarks::Source::kTargetTag:
      frame.source_head.push_back(needed_tag(vocabulary, target_language));
      break;
    case TextMarks::Source::kSourceTag:
      frame.source_head.push_back(needed_tag(vocabulary, source_language));
      break;
    case TextMarks::Source::kSourceTagBehind:
      frame.source_tail.push_back(needed_tag(vocabulary, source_language));
      break;
    case TextMarks::Source::kPlain:
      break;
  }
  frame.target_tail.push_back(vocabulary.eos());
  switch (vocabulary.marks().target) {
    case TextMarks::Target::kTag:
      frame.start = needed_tag(vocabulary, target_language);
      break;
    case TextMarks::Target::kEndTag:
      frame.start = vocabulary.eos();
      frame.target_head.push_back(needed_tag(vocabulary, target_language));
      break;
    case TextMarks::Target::kPad:
      frame.start = vocabulary.pad();
      break;
  }
  return frame;
}

}  // namespace polymoe
