#pragma once

#include <filesystem>

namespace polymoe {

/// Whether the open file or folder still has this name. A lock on one that another process removed holds nobody up.
bool has_name(int descriptor, const std::filesystem::path& path);

/// The right to write into a folder, held by one process at a time, until the end of its life or of the process,
/// however it ends. Taken with flock() on a file ".lock" in the folder, which names the holder; where the file system
/// knows no locks, it is given with a warning.
class FolderLock {
 public:
  /// Throws Error with the holder's host and process where another process has it. `who` names its kind ("training").
  FolderLock(std::filesystem::path folder, const char* who);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// Throws Error where the folder was removed or replaced since: what is written from now on would be lost.
  void check() const;

 private:
  std::filesystem::path folder_, file_;
  int descriptor_ = -1;
};

}  // namespace polymoe
