#pragma once

#include <filesystem>

/// What a path names, links followed. As the functions of <filesystem> of these names, but a path that is too long for
/// the system names nothing, and what cannot be told (a folder that may not be searched, links in a circle) is an Error
/// with the path.
namespace polymoe {

bool path_exists(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);
bool is_plain_file(const std::filesystem::path& path);

}  // namespace polymoe
