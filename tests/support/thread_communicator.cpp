#include "support/thread_communicator.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include "polymoe/base/error.h"

namespace polymoe::testing {
namespace {

using Lock = std::unique_lock<std::mutex>;

/// Where all threads leave their messages.
struct PostOffice {
  using Box = std::tuple<std::string, int, int, std::int64_t, int>;  // group, from, to, operation, phase

  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t changes = 0;
  bool failed = false;
  std::map<Box, std::deque<std::vector<std::byte>>> boxes;
  std::map<std::pair<std::string, int>, std::int64_t> entered;  // by group and rank in it

  void note_change() {
    ++changes;
    changed.notify_all();
  }
};

struct Receive {
  PostOffice::Box box;
  Piece piece;
};

/// Sent messages are copied at once; what is open are the receives.
class MailTransfer : public Transfer {
 public:
  MailTransfer(PostOffice& office, std::deque<Receive> receives) : office_(office), receives_(std::move(receives)) {}

  bool done() override {
    const Lock lock(office_.mutex);
    std::erase_if(receives_, [this](const Receive& receive) {
      const auto box = office_.boxes.find(receive.box);
      if (box == office_.boxes.end()) return false;
      const std::vector<std::byte> letter = std::move(box->second.front());
      box->second.pop_front();
      if (box->second.empty()) office_.boxes.erase(box);
      const auto bytes = static_cast<std::int64_t>(letter.size());
      if (bytes != receive.piece.bytes) fail("{} bytes arrived where {} are received", bytes, receive.piece.bytes);
      std::memcpy(receive.piece.data, letter.data(), letter.size());
      return true;
    });
    return receives_.empty();
  }

 private:
  PostOffice& office_;
  std::deque<Receive> receives_;
};

class MailTransport : public Transport {
 public:
  /// `seen`: how many changes of the office this thread knows; all groups of the thread share it.
  MailTransport(PostOffice& office, std::shared_ptr<std::int64_t> seen, std::string key, int rank, int size)
      : office_(office), seen_(std::move(seen)), key_(std::move(key)), rank_(rank), size_(size) {}

  std::unique_ptr<Transfer> exchange(std::int64_t operation, int phase, const std::vector<Piece>& sends,
                                     const std::vector<Piece>& receives) override {
    const Lock lock(office_.mutex);
    for (const Piece& piece : sends) {
      office_.boxes[{key_, rank_, piece.peer, operation, phase}].emplace_back(piece.data, piece.data + piece.bytes);
    }
    office_.note_change();
    std::deque<Receive> open;
    for (const Piece& piece : receives) open.push_back({{key_, piece.peer, rank_, operation, phase}, piece});
    return std::make_unique<MailTransfer>(office_, std::move(open));
  }

  void idle(std::chrono::duration<double> /*waited*/) override {
    Lock lock(office_.mutex);
    constexpr auto kLookAtClock = std::chrono::milliseconds(50);
    office_.changed.wait_for(lock, kLookAtClock, [this] { return office_.failed || office_.changes != *seen_; });
    if (office_.failed) fail("another rank failed");
    *seen_ = office_.changes;
  }

  void entered(std::int64_t operation) override {
    const Lock lock(office_.mutex);
    office_.entered[{key_, rank_}] = operation + 1;
  }

  std::vector<std::optional<std::int64_t>> entered_by_members() override {
    const Lock lock(office_.mutex);
    std::vector<std::optional<std::int64_t>> counts;
    for (int member = 0; member < size_; ++member) counts.emplace_back(office_.entered[{key_, member}]);
    return counts;
  }

  std::shared_ptr<Transport> subgroup(const std::string& name, const std::vector<int>& ranks) override {
    // Members call in the same order, so they number groups of equal name and members alike.
    std::string key = fmt::format("{}/{}:{}", key_, name, ranks);
    key += fmt::format("#{}", subgroups_[key]++);
    const auto own = std::find(ranks.begin(), ranks.end(), rank_);
    return std::make_shared<MailTransport>(office_, seen_, std::move(key), static_cast<int>(own - ranks.begin()),
                                           static_cast<int>(ranks.size()));
  }

 private:
  PostOffice& office_;
  std::shared_ptr<std::int64_t> seen_;
  std::string key_;
  int rank_, size_;
  std::map<std::string, int> subgroups_;
};

}  // namespace

void run_ranks(int n, const std::function<void(Communicator&)>& body, const PointToPointOptions& options) {
  PostOffice office;
  std::exception_ptr first_failure;
  std::vector<int> world_ranks(static_cast<std::size_t>(n));
  std::iota(world_ranks.begin(), world_ranks.end(), 0);

  const auto run = [&](int rank) {
    try {
      PointToPointCommunicator world(
          "world", world_ranks, rank,
          std::make_shared<MailTransport>(office, std::make_shared<std::int64_t>(0), "world", rank, n),
          std::make_shared<OperationQueue>(options.time_out), options);
      body(world);
    } catch (...) {
      const Lock lock(office.mutex);
      if (!office.failed) first_failure = std::current_exception();
      office.failed = true;
      office.note_change();
    }
  };
  std::vector<std::thread> threads;
  for (int rank = 0; rank < n; ++rank) threads.emplace_back(run, rank);
  for (std::thread& thread : threads) thread.join();
  if (first_failure) std::rethrow_exception(first_failure);
}

}  // namespace polymoe::testing
