#include "polymoe/base/scratch_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <fcntl.h>
#include <unistd.h>
#ifdef POLYMOE_URING
#include <liburing.h>
#endif

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

// Longer operations are cut, so that several are under way at a time.
constexpr std::uint64_t kPieceBytes = 16u << 20;

struct Piece {
  ScratchFile::Ticket ticket = 0;
  bool write = false;
  std::uint64_t offset = 0;
  char* data = nullptr;
  std::uint64_t size = 0;
};

// A file without a name, or one whose name goes at once where the file system cannot do that.
int open_nameless(const fs::path& folder) {
  const int descriptor = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor >= 0) return descriptor;
  std::string name = (folder / "scratch-XXXXXX").string();
  const int named = mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) unlink(name.c_str());
  return named;
}

}  // namespace

class ScratchFile::Engine {
 public:
  Engine(int descriptor, fs::path folder) : descriptor_(descriptor), folder_(std::move(folder)) {}
  virtual ~Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  virtual Ticket start(bool write, std::uint64_t offset, char* data, std::uint64_t size) = 0;
  virtual void wait(Ticket ticket) = 0;
  virtual const char* name() const = 0;

 protected:
  // An operation under way.
  struct State {
    std::int64_t left = 0;  // pieces
    int error = 0;
  };

  // Cuts an operation into pieces, and gives each to `take`.
  template <typename Take>
  Ticket cut(bool write, std::uint64_t offset, char* data, std::uint64_t size, const Take& take) {
    const Ticket ticket = next_++;
    for (std::uint64_t done = 0; done < size; done += kPieceBytes) {
      ++states_[ticket].left;
      take(Piece{ticket, write, offset + done, data + done, std::min(kPieceBytes, size - done)});
    }
    return ticket;
  }

  void piece_done(Ticket ticket, int error) {
    State& state = states_[ticket];
    --state.left;
    if (error != 0) state.error = error;
  }

  // After the last piece; throws where one failed.
  void forget(Ticket ticket) {
    const int error = states_[ticket].error;
    states_.erase(ticket);
    if (error != 0) fail_with(error);
  }

  [[noreturn]] void fail_with(int error) const {
    errno = error;
    fail_errno("cannot use a scratch file here", folder_.string(), "free space, or name another folder");
  }

  const int descriptor_;
  std::map<Ticket, State> states_;

 private:
  fs::path folder_;
  Ticket next_ = 1;
};

namespace {

class ThreadEngine : public ScratchFile::Engine {
 public:
  using Ticket = ScratchFile::Ticket;

  ThreadEngine(int descriptor, const fs::path& folder) : Engine(descriptor, folder) {
    for (std::thread& worker : workers_) worker = std::thread([this] { work(); });
  }
  ~ThreadEngine() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  Ticket start(bool write, std::uint64_t offset, char* data, std::uint64_t size) override {
    const std::lock_guard lock(mutex_);
    const Ticket ticket = cut(write, offset, data, size, [&](const Piece& piece) { todo_.push_back(piece); });
    changed_.notify_all();
    return ticket;
  }

  void wait(Ticket ticket) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return states_[ticket].left == 0; });
    forget(ticket);
  }

  const char* name() const override { return "threads"; }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ending_ || !todo_.empty(); });
      if (todo_.empty()) return;
      const Piece piece = todo_.front();
      todo_.pop_front();
      lock.unlock();
      const int error = move_bytes(piece);
      lock.lock();
      piece_done(piece.ticket, error);
      changed_.notify_all();
    }
  }

  int move_bytes(const Piece& piece) const {
    for (std::uint64_t done = 0; done < piece.size;) {
      const auto offset = static_cast<off_t>(piece.offset + done);
      const ssize_t moved = piece.write ? pwrite(descriptor_, piece.data + done, piece.size - done, offset)
                                        : pread(descriptor_, piece.data + done, piece.size - done, offset);
      if (moved < 0 && errno == EINTR) continue;
      if (moved <= 0) return moved == 0 ? EIO : errno;
      done += static_cast<std::uint64_t>(moved);
    }
    return 0;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> todo_;
  bool ending_ = false;
  std::array<std::thread, 2> workers_;
};

#ifdef POLYMOE_URING
class UringEngine : public ScratchFile::Engine {
 public:
  using Ticket = ScratchFile::Ticket;

  // Null where the kernel refuses: it is old, or the container forbids it.
  static std::unique_ptr<UringEngine> make(int descriptor, const fs::path& folder) {
    std::unique_ptr<UringEngine> engine(new UringEngine(descriptor, folder));
    if (io_uring_queue_init(kEntries, &engine->ring_, 0) != 0) return nullptr;
    engine->is_open_ = true;
    return engine->can_read_and_write() ? std::move(engine) : nullptr;
  }
  ~UringEngine() override {
    if (!is_open_) return;
    try {
      while (!pieces_.empty() && !is_broken_) reap();
    } catch (const Error&) {  // nobody is left to tell; the queue's end cancels what is under way
    }
    io_uring_queue_exit(&ring_);
  }

  Ticket start(bool write, std::uint64_t offset, char* data, std::uint64_t size) override {
    return cut(write, offset, data, size, [&](const Piece& piece) {
      while (pieces_.size() >= kEntries) reap();
      submit(next_piece_++, piece);
    });
  }

  void wait(Ticket ticket) override {
    while (states_[ticket].left > 0) reap();
    forget(ticket);
  }

  const char* name() const override { return "io_uring"; }

 private:
  static constexpr unsigned kEntries = 64;

  using Engine::Engine;

  // Kernels before 5.6 have the queue, but not these operations.
  bool can_read_and_write() {
    io_uring_probe* probe = io_uring_get_probe_ring(&ring_);
    if (probe == nullptr) return false;
    const bool can =
        io_uring_opcode_supported(probe, IORING_OP_READ) != 0 && io_uring_opcode_supported(probe, IORING_OP_WRITE) != 0;
    io_uring_free_probe(probe);
    return can;
  }

  void submit(std::uint64_t id, const Piece& piece) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);  // there is room: no more than kEntries are under way
    const auto size = static_cast<unsigned>(piece.size);
    if (piece.write) {
      io_uring_prep_write(entry, descriptor_, piece.data, size, piece.offset);
    } else {
      io_uring_prep_read(entry, descriptor_, piece.data, size, piece.offset);
    }
    io_uring_sqe_set_data(entry, reinterpret_cast<void*>(id));
    pieces_[id] = piece;
    int submitted = io_uring_submit(&ring_);
    while (submitted == -EINTR || submitted == -EAGAIN) submitted = io_uring_submit(&ring_);
    if (submitted < 0) {
      is_broken_ = true;
      fail_with(-submitted);
    }
  }

  // Waits for one piece. What was moved in part goes on from there.
  void reap() {
    io_uring_cqe* completion = nullptr;
    const int waited = io_uring_wait_cqe(&ring_, &completion);
    if (waited == -EINTR) return;
    if (waited < 0) {
      is_broken_ = true;
      fail_with(-waited);
    }
    const auto id = reinterpret_cast<std::uint64_t>(io_uring_cqe_get_data(completion));
    const int moved = completion->res;
    io_uring_cqe_seen(&ring_, completion);
    Piece piece = pieces_.at(id);
    pieces_.erase(id);
    const bool again = moved == -EINTR || moved == -EAGAIN;
    if (moved > 0) {
      piece.offset += static_cast<std::uint64_t>(moved);
      piece.data += moved;
      piece.size -= static_cast<std::uint64_t>(moved);
    }
    if (again || (moved > 0 && piece.size > 0)) {
      submit(id, piece);
      return;
    }
    piece_done(piece.ticket, moved > 0 ? 0 : moved == 0 ? EIO : -moved);
  }

  io_uring ring_{};
  bool is_open_ = false;
  bool is_broken_ = false;  // what is under way may never complete
  std::uint64_t next_piece_ = 0;
  std::map<std::uint64_t, Piece> pieces_;  // under way
};
#endif

std::unique_ptr<ScratchFile::Engine> make_engine(int descriptor, const fs::path& folder, IoEngine engine) {
#ifdef POLYMOE_URING
  if (engine != IoEngine::kThreads) {
    if (auto made = UringEngine::make(descriptor, folder)) return made;
  }
#endif
  if (engine == IoEngine::kUring) fail("io_uring: this build or this kernel does not have it");
  return std::make_unique<ThreadEngine>(descriptor, folder);
}

}  // namespace

ScratchFile::ScratchFile(fs::path folder, IoEngine engine) : folder_(std::move(folder)) {
  std::error_code failed;
  fs::create_directories(folder_, failed);
  if (failed) throw Error(fmt::format("cannot make the folder: {}", failed.message()), {folder_.string(), 0});
  descriptor_ = open_nameless(folder_);
  if (descriptor_ < 0) fail_errno("cannot make a scratch file here", folder_.string());
  try {
    engine_ = make_engine(descriptor_, folder_, engine);
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

void ScratchFile::extend(std::uint64_t bytes) {
  if (bytes <= size_) return;
  // Just the new part: what is there may be being written, and some file systems would touch it.
  int full = EINTR;
  while (full == EINTR) {
    full = posix_fallocate(descriptor_, static_cast<off_t>(size_), static_cast<off_t>(bytes - size_));
  }
  if (full == 0) {
    size_ = bytes;
    return;
  }
  errno = full;
  fail_errno(fmt::format("no room for a scratch file of {:.1f} GB", static_cast<double>(bytes) / 1e9), folder_.string(),
             "free space, or name another folder");
}

ScratchFile::~ScratchFile() {
  engine_ = nullptr;
  close(descriptor_);
}

ScratchFile::Ticket ScratchFile::start_read(std::uint64_t offset, void* data, std::uint64_t size) {
  return engine_->start(false, offset, static_cast<char*>(data), size);
}

ScratchFile::Ticket ScratchFile::start_write(std::uint64_t offset, const void* data, std::uint64_t size) {
  return engine_->start(true, offset, static_cast<char*>(const_cast<void*>(data)), size);
}

void ScratchFile::wait(Ticket ticket) { engine_->wait(ticket); }

const char* ScratchFile::engine() const { return engine_->name(); }

}  // namespace polymoe
