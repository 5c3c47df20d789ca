#include "polymoe/serve/batcher.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/core.h>

#include "polymoe/base/log.h"
#include "polymoe/serve/api_error.h"

namespace polymoe {

Batcher::Batcher(const BatchOptions& options, TranslateBatch translate)
    : options_(options), translate_(std::move(translate)), worker_([this] { work(); }) {}

Batcher::~Batcher() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  added_.notify_one();
  worker_.join();
}

std::vector<LineAnswer> Batcher::run(const BatchKey& key, std::vector<std::string> lines, Clock::time_point deadline) {
  if (lines.empty()) return {};
  if (lines.size() > options_.max_queued_lines) {
    throw ApiError(kTooLarge, fmt::format("the request has {} lines; at most {} are taken", lines.size(),
                                          options_.max_queued_lines));
  }
  const auto job = std::make_shared<Job>();
  job->key = key;
  job->lines = std::move(lines);
  job->answers.resize(job->lines.size());

  std::unique_lock lock(mutex_);
  if (queued_lines_ + job->lines.size() > options_.max_queued_lines) {
    throw ApiError(kTooMany, "too many requests wait; try again later", seconds_to_wait());
  }
  queue_.push_back(job);
  queued_lines_ += job->lines.size();
  added_.notify_one();
  const auto finished = [&] { return !job->error.empty() || job->answered == job->lines.size(); };
  const bool in_time = answered_.wait_until(lock, deadline, finished);
  if (const auto place = std::find(queue_.begin(), queue_.end(), job); place != queue_.end()) {  // it is given up
    queue_.erase(place);
    queued_lines_ -= job->lines.size() - job->taken;
  }
  if (!in_time) {
    throw ApiError(kUnavailable, "the translation takes too long; try a shorter text, or later", seconds_to_wait());
  }
  if (!job->error.empty()) throw ApiError(kServerError, job->error);
  return std::move(job->answers);
}

std::size_t Batcher::queued() const {
  const std::lock_guard lock(mutex_);
  return queued_lines_;
}

int Batcher::seconds_to_wait() const {
  constexpr double kLongest = 60;
  if (lines_per_second_ <= 0) return 1;
  return static_cast<int>(std::clamp(std::ceil(static_cast<double>(queued_lines_) / lines_per_second_), 1.0, kLongest));
}

void Batcher::work() {
  for (;;) {
    std::vector<Slice> slices;
    {
      std::unique_lock lock(mutex_);
      added_.wait(lock, [&] { return ends_ || !queue_.empty(); });
      if (queue_.empty()) return;
      slices = take_batch();
    }
    answer(slices);
    answered_.notify_all();
  }
}

std::vector<Batcher::Slice> Batcher::take_batch() {
  // A part of each job that goes with the first one; the first goes to the end of the queue with what is left of it.
  const std::size_t share = std::max<std::size_t>(1, options_.batch_lines / 4);
  const BatchKey key = queue_.front()->key;
  std::vector<Slice> slices;
  std::size_t room = options_.batch_lines;
  std::deque<std::shared_ptr<Job>> rest, unfinished;
  for (const std::shared_ptr<Job>& job : queue_) {
    if (room == 0 || job->key != key) {
      rest.push_back(job);
      continue;
    }
    const std::size_t count = std::min({room, share, job->lines.size() - job->taken});
    slices.push_back({job, job->taken, job->taken + count});
    job->taken += count;
    room -= count;
    queued_lines_ -= count;
    if (job->taken < job->lines.size()) unfinished.push_back(job);
  }
  queue_ = std::move(rest);
  // Where no other job fills the batch, these do.
  for (Slice& slice : slices) {
    const std::size_t count = std::min(room, slice.job->lines.size() - slice.job->taken);
    slice.end += count;
    slice.job->taken += count;
    room -= count;
    queued_lines_ -= count;
  }
  for (const std::shared_ptr<Job>& job : unfinished) {
    if (job->taken < job->lines.size()) queue_.push_back(job);
  }
  return slices;
}

void Batcher::answer(const std::vector<Slice>& slices) {
  std::vector<std::string> lines;
  for (const Slice& slice : slices) {
    const auto begin = slice.job->lines.begin();
    lines.insert(lines.end(), begin + static_cast<std::ptrdiff_t>(slice.begin),
                 begin + static_cast<std::ptrdiff_t>(slice.end));
  }
  const Clock::time_point start = Clock::now();
  std::vector<LineAnswer> answers;
  std::string error;
  try {
    answers = translate_(slices.front().job->key, lines);
  } catch (const std::exception& exception) {
    error = fmt::format("the model fails: {}", exception.what());
    log_warning("{}", error);
  }
  if (!error.empty() && slices.size() > 1) {  // only those whose lines it was
    for (const Slice& slice : slices) answer({slice});
    return;
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const std::lock_guard lock(mutex_);
  if (seconds > 0) {
    const double rate = static_cast<double>(lines.size()) / seconds;
    lines_per_second_ = lines_per_second_ == 0 ? rate : 0.8 * lines_per_second_ + 0.2 * rate;
  }
  std::size_t next = 0;
  for (const Slice& slice : slices) {
    if (!error.empty()) slice.job->error = error;
    for (std::size_t i = slice.begin; i < slice.end && error.empty(); ++i)
      slice.job->answers[i] = std::move(answers[next++]);
    slice.job->answered += slice.end - slice.begin;
  }
}

}  // namespace polymoe
