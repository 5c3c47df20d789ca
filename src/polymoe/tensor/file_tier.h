#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/base/scratch_file.h"

namespace c10 {
struct StorageImpl;
}

namespace polymoe {

/// What a use of a buffer does with its content.
enum class Access { kRead, kWrite };

/// Flat buffers that live in a file and are in memory while they are used: the tier below host memory. Reads can be
/// asked for ahead of their use, and what was changed is written behind it. The tensors stay the same; they are without
/// memory meanwhile (see free_memory()).
///
/// Buffers that were never taken in are left alone: whoever works on state calls these functions wherever it lives.
class FileTier {
 public:
  /// A scratch file in `folder`.
  explicit FileTier(const std::filesystem::path& folder, IoEngine engine = IoEngine::kBest);

  /// Buffers that nobody uses keep up to so many bytes of memory, the last used first; none before the first call.
  /// Fewer bytes than before change nothing.
  void widen_window(std::int64_t bytes) { window_bytes_ = std::max(window_bytes_, bytes); }

  /// Moves a buffer to the file, with its content.
  void take_in(const at::Tensor& buffer);
  bool has(const at::Tensor& buffer) const;

  /// Begins to read a buffer that will be used soon.
  void prefetch(const at::Tensor& buffer);
  /// From acquire() to release() a buffer is in memory. Calls may be nested. `changed`: it was written to.
  void acquire(const at::Tensor& buffer);
  void release(const at::Tensor& buffer, bool changed);
  /// The content becomes zeros, without a read or a write.
  void clear(const at::Tensor& buffer);

  const char* engine() const { return file_.engine(); }
  /// Of all buffers in the file.
  std::int64_t bytes() const { return end_; }
  /// Bytes read and written so far.
  std::int64_t bytes_read() const { return bytes_read_; }
  std::int64_t bytes_written() const { return bytes_written_; }

 private:
  struct Place {
    at::Tensor buffer;
    std::int64_t offset = 0;
    std::int64_t bytes = 0;
    std::int64_t uses = 0;      // acquired and not yet released
    std::int64_t last_use = 0;  // in the order of calls
    bool in_memory = false;
    bool is_zero = false;  // what the file holds does not count
    bool changed = false;  // memory has what the file has not
    std::optional<ScratchFile::Ticket> reading, writing;
  };

  Place* find(const at::Tensor& buffer);
  void finish(std::optional<ScratchFile::Ticket>& ticket);
  void bring_in(Place& place);
  void write_behind(Place& place);
  void make_room(std::int64_t bytes);

  std::map<c10::StorageImpl*, Place> places_;  // goes after the file, which may still be writing from it
  std::int64_t window_bytes_ = 0;
  std::int64_t end_ = 0;     // of what is taken in
  std::int64_t unused_ = 0;  // bytes in memory that nobody uses
  std::int64_t clock_ = 0;
  std::int64_t bytes_read_ = 0, bytes_written_ = 0;
  ScratchFile file_;
};

/// Runs `work` while `buffers` are in memory; those of Access::kWrite count as changed. `tier` may be null.
struct BufferUse {
  at::Tensor buffer;
  Access access;
};
void use_buffers(FileTier* tier, const std::vector<BufferUse>& buffers, const std::function<void()>& work);

}  // namespace polymoe
