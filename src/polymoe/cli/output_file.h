#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace polymoe::cli {

/// Before the work: refuses to write a result over a file that is not an older result of this kind (`what`: "a
/// report"), and remarks that one is replaced. `is_one` looks at the beginning of the file.
void check_output_file(const std::filesystem::path& path, const char* what,
                       const std::function<bool(std::string_view beginning)>& is_one);

}  // namespace polymoe::cli
