#pragma once

#include <filesystem>

namespace polymoe {

/// Builds a folder so that it appears whole or not at all: under a temporary name beside it, then renamed. Dropped
/// without commit(), everything written is removed and an older folder of that name is untouched.
class AtomicFolder {
 public:
  /// Makes the temporary folder (and the parents of `path`). Throws Error when it cannot.
  explicit AtomicFolder(std::filesystem::path path);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// Where to write until commit().
  const std::filesystem::path& temporary() const { return temporary_; }

  /// Renames the folder to its own name, in place of an older one of that name, which is removed.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
};

}  // namespace polymoe
