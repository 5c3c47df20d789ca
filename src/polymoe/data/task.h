#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/text/vocabulary.h"

namespace polymoe {

/// What an example teaches. The values are the `task` of batches and positions in task_names(): from 2 on they are
/// tasks of the user's naming, pairs of text whose source begins with the task's tag.
enum class Task : std::int32_t { kTranslation = 0, kDenoising = 1 };

/// "translation", "denoising", and the vocabulary's other tasks in the order of their tags: the names in metrics and
/// logs.
std::vector<std::string> task_names(const Vocabulary& vocabulary);

/// The task of that name. Throws Error that names the nearest and all known ones.
Task parse_task(std::string_view name, const Vocabulary& vocabulary);

/// The `task` of the corpora that its examples come from: "" for translation and denoising, which need text alone.
std::string corpora_of(Task task, const Vocabulary& vocabulary);

/// The tag that a task's sources begin with; -1 for translation, which has none. Throws Error where the vocabulary
/// lacks it.
std::int32_t task_tag(Task task, const Vocabulary& vocabulary);

/// From which language into which; denoising has the same on both sides, and other tasks may.
struct Direction {
  std::string source;
  std::string target;

  std::string name() const { return source + "-" + target; }  ///< e.g. "en-de"
  bool operator==(const Direction&) const = default;
};

/// Reads "en-de". Throws Error when it is not two language codes with one '-' between them.
Direction parse_direction(std::string_view text);

/// A pattern of directions under the names that `languages` has (find_language()): "*" stays, and a side that none of
/// them is becomes empty. Throws Error as parse_direction() does.
Direction find_direction(std::string_view pattern, const std::vector<std::string>& languages);

/// Whether a pattern, whose sides may be "*", names a direction.
bool matches(const Direction& direction, const Direction& pattern);

/// The directions of `available` that the patterns name, in the order of `available` and each once. A pattern is
/// "en-de", "en-*", "*-de" or "*-*"; no patterns at all name every direction. Throws Error for a language that is not
/// in `languages` (naming the nearest), and for a pattern that matches nothing.
std::vector<Direction> match_directions(const std::vector<std::string>& patterns,
                                        const std::vector<Direction>& available,
                                        const std::vector<std::string>& languages);

}  // namespace polymoe
