#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace polymoe {

/// What lines must share to be translated in one batch.
struct BatchKey {
  std::string source;
  std::string target;
  std::size_t n_best = 1;
  bool of_document = false;  ///< lines of a file, for decode.protect

  bool operator==(const BatchKey&) const = default;
};

/// What a model made of a line.
struct LineAnswer {
  std::vector<std::string> texts;  ///< best first, at least one
  bool read_whole = true;          ///< false: the line is longer than the model reads
  bool ended = true;               ///< false: the best text was cut at the longest output
  std::size_t unknown = 0;         ///< tokens of the line that the model's vocabulary does not know
  bool keeps_placeholders = true;  ///< or decode.protect does not ask for it
};

/// Translates lines in one direction, as many answers as lines. Called from one thread.
using TranslateBatch = std::function<std::vector<LineAnswer>(const BatchKey&, const std::vector<std::string>&)>;

struct BatchOptions {
  std::size_t batch_lines = 64;         ///< most lines of a batch
  std::size_t max_queued_lines = 2048;  ///< more are refused
};

/// Brings the lines of many requests to one model: what waits while a batch is translated makes the next one. Requests
/// take turns, so that a long one does not keep short ones waiting.
class Batcher {
 public:
  using Clock = std::chrono::steady_clock;

  Batcher(const BatchOptions& options, TranslateBatch translate);
  /// Answers what waits, then ends.
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  /// Waits for the answers to `lines`. Throws ApiError: 429 where too much waits already, 503 where they did not come
  /// by `deadline`, 500 where the model fails.
  std::vector<LineAnswer> run(const BatchKey& key, std::vector<std::string> lines, Clock::time_point deadline);

  /// Lines that wait.
  std::size_t queued() const;

 private:
  struct Job {
    BatchKey key;
    std::vector<std::string> lines;
    std::vector<LineAnswer> answers;
    std::size_t taken = 0, answered = 0;
    std::string error;
  };
  /// Lines of one job in a batch.
  struct Slice {
    std::shared_ptr<Job> job;
    std::size_t begin = 0, end = 0;
  };

  void work();
  std::vector<Slice> take_batch();
  void answer(const std::vector<Slice>& slices);
  int seconds_to_wait() const;

  const BatchOptions options_;
  const TranslateBatch translate_;
  mutable std::mutex mutex_;
  std::condition_variable added_, answered_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::size_t queued_lines_ = 0;
  double lines_per_second_ = 0;  // of late
  bool ends_ = false;
  std::thread worker_;
};

}  // namespace polymoe
