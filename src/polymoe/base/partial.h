#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

/// Unfinished files and folders of AtomicFile and AtomicFolder, beside the name that they will get: "NAME.partial-PID",
/// and "NAME.old-PID" for a folder that steps aside for a newer one. Whoever writes one holds a lock on it, so that
/// what killed processes left is told by its lock alone: numbers of processes are used again. Where the file system has
/// no locks, everything counts as being written.
namespace polymoe {

std::filesystem::path partial_name(const std::filesystem::path& path);
std::filesystem::path old_name(const std::filesystem::path& path);

/// Locks an open partial file or folder until its descriptor is closed. False where it was removed, by another process
/// that took it for a left one, before it was locked: to be made again. Throws Error where another process writes it.
bool lock_partial(int descriptor, const std::filesystem::path& partial);

/// Removes, with a line in the log, what killed processes left of `path`. An older folder that stepped aside gets its
/// name back where no newer one has it.
void remove_stale_partials(const std::filesystem::path& path);

/// The same for all in `folder` whose names begin with `prefix`.
void remove_stale_partials(const std::filesystem::path& folder, std::string_view prefix);

/// While it is there, remove_listed_partials() removes this file or folder.
class ListedPartial {
 public:
  explicit ListedPartial(const std::filesystem::path& partial);
  ~ListedPartial();
  ListedPartial(const ListedPartial&) = delete;
  ListedPartial& operator=(const ListedPartial&) = delete;

 private:
  std::size_t slot_;
};

/// For handlers of signals that end the process: it allocates and locks nothing. A folder that is still written to may
/// stay; the next one of its name clears it away.
void remove_listed_partials() noexcept;

}  // namespace polymoe
