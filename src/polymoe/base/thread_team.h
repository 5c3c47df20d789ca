#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace polymoe {

/// Threads that share the short loops of one other thread. That thread takes part in each loop and waits for no helper
/// that has not begun a piece of it: on a machine where others compute too, a helper without a core costs nothing,
/// where a barrier of all threads (OpenMP's) waits until the system gives it one. Helpers watch for the next loop for a
/// moment, then sleep.
class ThreadTeam {
 public:
  /// `threads`: with the one that calls run(), which must be the same at a time.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  /// Makes a team that of the calling thread, until it goes.
  class Use {
   public:
    explicit Use(ThreadTeam* team);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    ThreadTeam* before_;
  };

  /// Calls work(first, last) for pieces that make up 0 to `count` together, none but the last shorter than `grain`,
  /// with the calling thread's team; as a single piece where it has none or is in a piece itself. The first exception
  /// is thrown once all have ended; pieces that were not begun are left out then.
  template <typename Work>
  static void share(std::int64_t count, std::int64_t grain, const Work& work) {
    if (count <= 0) return;
    ThreadTeam* team = current();
    if (team == nullptr || count <= grain) {
      work(std::int64_t{0}, count);
    } else {
      team->run({[](const void* function, std::int64_t first, std::int64_t last) {
                   (*static_cast<const Work*>(function))(first, last);
                 },
                 &work, count, team->piece_of(count, grain)});
    }
  }

 private:
  struct Loop {
    void (*call)(const void* function, std::int64_t first, std::int64_t last);
    const void* function;
    std::int64_t count, piece;
  };

  static ThreadTeam*& current();

  std::int64_t piece_of(std::int64_t count, std::int64_t grain) const;
  void run(const Loop& loop);
  void take_pieces();
  void help(const std::stop_token& stop);
  void wait_for_loop(std::uint32_t seen);

  Loop loop_{};
  std::exception_ptr error_;
  std::mutex error_mutex_;
  std::atomic<std::int64_t> next_ = 0;    // where the next piece of the loop begins
  std::atomic<bool> is_open_ = false;     // whether helpers may begin pieces
  std::atomic<int> inside_ = 0;           // helpers that may be in a piece
  std::atomic<std::uint32_t> loops_ = 0;  // begun so far, and one more at the end
  std::atomic<int> sleepers_ = 0;
  std::vector<std::jthread> helpers_;  // last: they use all of the above
};

}  // namespace polymoe
