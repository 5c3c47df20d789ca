#include "polymoe/comm/monitor.h"

#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include <mpi.h>

#include "polymoe/comm/mpi_error.h"

namespace polymoe {
namespace {

using Clock = std::chrono::steady_clock;

enum Tag { kAskBegun = 1, kBegun, kFailed, kFirstToFail };

constexpr std::chrono::milliseconds kLook{50};       // between looks for questions
constexpr std::chrono::milliseconds kLookAnswer{2};  // between looks for an answer
constexpr std::chrono::seconds kAnswerBegun{2};
constexpr std::chrono::seconds kAnswerFailed{3};

struct Message {
  std::uint64_t question = 0;  // which one an answer belongs to
  std::uint64_t group = 0;
  std::int64_t value = 0;
};

}  // namespace

struct Monitor::State {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0;
  std::mutex mutex;  // of all below
  std::map<std::uint64_t, std::atomic<std::int64_t>> begun;
  std::optional<int> first_failed;                   // rank 0's
  std::deque<std::pair<Message, MPI_Request>> sent;  // each message stays until MPI has taken it
  std::atomic<std::uint64_t> questions{0};
  std::atomic<bool> ending{false};
  std::thread thread;

  /// Never waits for the receiver, who may be dead.
  void send(int to, Tag tag, const Message& message) {
    const std::lock_guard lock(mutex);
    std::erase_if(sent, [](auto& entry) {
      int done = 0;
      return MPI_Test(&entry.second, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done != 0;
    });
    auto& [kept, request] = sent.emplace_back(message, MPI_REQUEST_NULL);
    MPI_Isend(&kept, sizeof(Message), MPI_BYTE, to, tag, comm, &request);
  }

  std::optional<Message> receive(Tag tag, int& from) {
    int there = 0;
    MPI_Status status;
    Message message;
    if (MPI_Iprobe(from, tag, comm, &there, &status) != MPI_SUCCESS || there == 0) return std::nullopt;
    from = status.MPI_SOURCE;
    MPI_Recv(&message, sizeof(Message), MPI_BYTE, from, tag, comm, MPI_STATUS_IGNORE);
    return message;
  }

  /// The answer to a question, or nothing at `deadline`. Answers to older questions are dropped.
  std::optional<Message> await(Tag tag, int from, std::uint64_t question, Clock::time_point deadline) {
    while (true) {
      const std::optional<Message> answer = receive(tag, from);
      if (answer && answer->question == question) return answer;
      if (answer) continue;
      if (Clock::now() > deadline) return std::nullopt;
      std::this_thread::sleep_for(kLookAnswer);
    }
  }

  bool answer_one() {
    int from = MPI_ANY_SOURCE;
    if (std::optional<Message> question = receive(kAskBegun, from)) {
      question->value = count_of(question->group);
      send(from, kBegun, *question);
      return true;
    }
    from = MPI_ANY_SOURCE;
    if (std::optional<Message> notice = receive(kFailed, from)) {
      {
        const std::lock_guard lock(mutex);
        if (!first_failed) first_failed = from;
        notice->value = *first_failed;
      }
      send(from, kFirstToFail, *notice);
      return true;
    }
    return false;
  }

  std::int64_t count_of(std::uint64_t group) {
    const std::lock_guard lock(mutex);
    return begun[group];
  }

  void answer() {
    while (!ending) {
      if (!answer_one()) std::this_thread::sleep_for(kLook);
    }
  }
};

Monitor::Monitor() : state_(std::make_unique<State>()) {
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &state_->comm), "MPI_Comm_dup");
  check_mpi(MPI_Comm_rank(state_->comm, &state_->rank), "MPI_Comm_rank");
  state_->thread = std::thread([state = state_.get()] { state->answer(); });
}

Monitor::~Monitor() {
  state_->ending = true;
  state_->thread.join();
  MPI_Comm_free(&state_->comm);
}

std::atomic<std::int64_t>& Monitor::begun(std::uint64_t group) {
  const std::lock_guard lock(state_->mutex);
  return state_->begun[group];
}

std::vector<std::optional<std::int64_t>> Monitor::ask_begun(std::uint64_t group, const std::vector<int>& world_ranks) {
  const std::uint64_t question = ++state_->questions;
  for (const int rank : world_ranks) state_->send(rank, kAskBegun, {question, group, 0});
  const Clock::time_point deadline = Clock::now() + kAnswerBegun;
  std::vector<std::optional<std::int64_t>> counts;
  for (const int rank : world_ranks) {
    const std::optional<Message> answer = state_->await(kBegun, rank, question, deadline);
    counts.push_back(answer ? std::optional(answer->value) : std::nullopt);
  }
  return counts;
}

int Monitor::first_to_fail() {
  const std::uint64_t question = ++state_->questions;
  state_->send(0, kFailed, {question, 0, 0});
  const std::optional<Message> answer = state_->await(kFirstToFail, 0, question, Clock::now() + kAnswerFailed);
  return answer ? static_cast<int>(answer->value) : state_->rank;
}

}  // namespace polymoe
