#include "polymoe/data/frame.h"

#include <algorithm>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

std::int32_t needed_tag(const Vocabulary& vocabulary, std::int32_t language) {
  const std::int32_t tag = vocabulary.language_tag(language);
  if (tag >= 0) return tag;
  fail("the vocabulary has no tag for the language '{}', which this model needs",
       vocabulary.languages().at(static_cast<std::size_t>(language)));
}

void check_direction(const Vocabulary& vocabulary, std::int32_t source, std::int32_t target) {
  if (has_direction(vocabulary, source, target)) return;
  const auto name = [&](std::int32_t language) {
    return vocabulary.languages().at(static_cast<std::size_t>(language));
  };
  fail(
      "the model does not translate from '{}' to '{}': it has a vocabulary for sources and another for targets; choose "
      "other languages (in training data.directions)",
      name(source), name(target));
}

}  // namespace

bool has_direction(const Vocabulary& vocabulary, std::int32_t source, std::int32_t target) {
  return !vocabulary.has_sides() || (!vocabulary.is_target(source) && vocabulary.is_target(target));
}

std::int64_t Frame::source_marks() const { return static_cast<std::int64_t>(source_head.size() + source_tail.size()); }
std::int64_t Frame::target_marks() const { return static_cast<std::int64_t>(target_head.size() + target_tail.size()); }

Frame make_frame(const Vocabulary& vocabulary, Task task, std::int32_t source_language, std::int32_t target_language) {
  check_direction(vocabulary, source_language, target_language);
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

void check_room(const Frame& frame, std::int64_t positions) {
  const std::int64_t marks = std::max(frame.source_marks(), frame.target_marks());
  if (positions <= marks) {
    fail("a sentence has {} marks, but the model (model.max-positions) reads and writes {} tokens", marks, positions);
  }
}

}  // namespace polymoe
