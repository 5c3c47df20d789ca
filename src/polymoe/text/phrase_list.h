#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace polymoe {

/// A file of phrases, one a line. Empty lines and those that begin with '#' are passed over. Throws Error with file and
/// line for text that is not UTF-8, and for a file without phrases.
std::vector<std::string> load_phrases(const std::filesystem::path& path);

}  // namespace polymoe
