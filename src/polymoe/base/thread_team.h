#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace polymoe {

/// A team of threads that share the short loops of one caller. The caller takes part in each loop and at its end waits
/// only for helpers that have joined it. A helper that is not running is left out, where OpenMP's barrier would wait
/// for the system to schedule it. Between loops helpers spin briefly, then sleep.
class ThreadTeam {
 public:
  /// `threads` counts the caller. Only one thread at a time may use a team.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  /// Lets the calling thread share its loops with `team` (null: with nobody) for the lifetime of this object.
  class Use {
   public:
    explicit Use(ThreadTeam* team);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    ThreadTeam* before_;
  };

  /// Calls work(first, last) on pieces that together cover [0, count), each at least `grain` long except the last, on
  /// the calling thread's team; in one piece where it has none or is inside a piece itself. If a piece throws, no new
  /// pieces begin, and the first exception is rethrown once all have ended.
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
  ThreadTeam() = default;

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
