#pragma once

#include <cstdint>
#include <vector>

#include "polymoe/data/task.h"
#include "polymoe/text/vocabulary.h"

namespace polymoe {

/// The tags and marks around the tokens of an example, as the models of a vocabulary read them (TextMarks).
struct Frame {
  std::vector<std::int32_t> source_head;  ///< [tag of the task unless translation], [tag of a language]
  std::vector<std::int32_t> source_tail;  ///< </s>, [tag of a language]
  std::int32_t start = 0;                 ///< what the decoder reads first
  std::vector<std::int32_t> target_head;  ///< what it must write first, where it does not start from it: a tag
  std::vector<std::int32_t> target_tail;  ///< </s>

  std::int64_t source_marks() const;
  std::int64_t target_marks() const;  ///< among the tokens to predict
};

/// The languages are indices into Vocabulary::languages(). Throws Error for a task whose tag the vocabulary lacks, and
/// for a language without the tag that it needs.
Frame make_frame(const Vocabulary& vocabulary, Task task, std::int32_t source_language, std::int32_t target_language);

/// Throws Error where `positions` tokens hold no more than the marks of a source or of a target.
void check_room(const Frame& frame, std::int64_t positions);

/// Whether the vocabulary lets a model read one language and write the other, both by index: a vocabulary with sides
/// has languages for each.
bool has_direction(const Vocabulary& vocabulary, std::int32_t source, std::int32_t target);

}  // namespace polymoe
