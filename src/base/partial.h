#pragma once

#include <filesystem>

/// Unfinished files and folders of AtomicFile and AtomicFolder: "NAME.partial-PID" beside the name that they will get.
namespace polymoe {

std::filesystem::path partial_name(const std::filesystem::path& path);

/// Locks an open partial file or folder until its descriptor is closed: a sign that it is being written.
void lock_partial(int descriptor);

/// Removes, with a line in the log, what killed processes left of `path`: partials that nobody holds locked. Those of
/// living processes stay.
void remove_stale_partials(const std::filesystem::path& path);

}  // namespace polymoe
