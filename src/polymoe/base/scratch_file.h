#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

namespace polymoe {

/// Who moves the bytes of a ScratchFile.
enum class IoEngine {
  kBest,     ///< io_uring where the kernel and this build have it, else threads
  kUring,    ///< io_uring; Error where there is none
  kThreads,  ///< two threads that read and write
};

/// A file for what does not fit into memory, read and written while the caller does something else. It has no name:
/// when its process ends, in whatever way, it is gone. One thread at a time uses it.
class ScratchFile {
 public:
  /// Names an operation that was started.
  using Ticket = std::uint64_t;

  /// Makes an empty file in `folder`, which is made where it is missing. Throws Error with the folder.
  explicit ScratchFile(std::filesystem::path folder, IoEngine engine = IoEngine::kBest);
  /// Waits for what is under way.
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  /// Makes the file `bytes` bytes long, if it is shorter. The space is taken at once, so a disk that is too small is
  /// found out here: Error with the folder.
  void extend(std::uint64_t bytes);

  /// Begins to read into, or write from, `size` bytes at `data`, which must stay until wait() has been called with the
  /// ticket. Operations on the same bytes of the file must wait for each other.
  Ticket start_read(std::uint64_t offset, void* data, std::uint64_t size);
  Ticket start_write(std::uint64_t offset, const void* data, std::uint64_t size);

  /// Returns when the operation is done; once for each ticket. Throws Error with the folder when it failed.
  void wait(Ticket ticket);

  /// "io_uring" or "threads".
  const char* engine() const;

  class Engine;  ///< see scratch_file.cpp

 private:
  std::filesystem::path folder_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  std::unique_ptr<Engine> engine_;
};

}  // namespace polymoe
