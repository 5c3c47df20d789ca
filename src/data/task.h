#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// What an example teaches. The values are the `task` of batches and positions in task_names().
enum class Task : std::int32_t { kTranslation = 0, kDenoising = 1 };

/// "translation", "denoising": the names in metrics and logs.
const std::vector<std::string>& task_names();

/// From which language into which; denoising has the same on both sides.
struct Direction {
  std::string source;
  std::string target;

  std::string name() const { return source + "-" + target; }  ///< e.g. "en-de"
  bool operator==(const Direction&) const = default;
};

/// Reads "en-de". Throws Error when it is not two language codes with one '-' between them.
Direction parse_direction(std::string_view text);

/// The directions of `available` that the patterns name, in the order of `available` and each once. A pattern is
/// "en-de", "en-*", "*-de" or "*-*"; no patterns at all name every direction. Throws Error for a language that is not
/// in `languages` (naming the nearest), and for a pattern that matches nothing.
std::vector<Direction> match_directions(const std::vector<std::string>& patterns,
                                        const std::vector<Direction>& available,
                                        const std::vector<std::string>& languages);

}  // namespace polymoe
