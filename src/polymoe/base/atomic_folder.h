#pragma once

#include <filesystem>
#include <memory>

namespace polymoe {

class ListedPartial;

/// Builds a folder so that it appears whole or not at all: under a temporary name beside it, then renamed. Dropped
/// without commit(), everything written is removed and an older folder of that name is untouched. What killed processes
/// left under such temporary names goes when the next one begins.
class AtomicFolder {
 public:
  /// Makes the temporary folder (and the parents of `path`). Throws Error when it cannot.
  explicit AtomicFolder(std::filesystem::path path);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// Where to write until commit().
  const std::filesystem::path& temporary() const { return temporary_; }

  /// Syncs the folder and renames it to its own name, in place of an older one of that name, which is removed. Where
  /// the file system can exchange two names, a folder of that name exists at every moment; elsewhere a process that
  /// dies in between leaves the older one as `path`.old-PID.
  void commit();

 private:
  void replace_in_two_steps();
  void unlock();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::unique_ptr<ListedPartial> listed_;
  int lock_ = -1;  // on the temporary folder, and on the older one where it steps aside
  int old_lock_ = -1;
};

}  // namespace polymoe
