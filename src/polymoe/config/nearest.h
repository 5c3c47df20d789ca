#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// The number of insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`, no character
/// edited twice (optimal string alignment distance).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// `word` in the form in which keys are compared: lower case, '-' for '_', American for British spelling.
std::string normalize_key(std::string_view word);

/// The candidate that `word` most likely means, or "" when none is near. Candidates and word may be dotted
/// ("model.hidden"); the last part alone may match too. Of equally near ones the first is taken.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace polymoe
