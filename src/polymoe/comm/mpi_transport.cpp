#include "polymoe/comm/mpi_transport.h"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include <fmt/ranges.h>
#include <mpi.h>

#include "polymoe/base/error.h"
#include "polymoe/base/random.h"
#include "polymoe/comm/mpi_error.h"

namespace polymoe {
namespace {

class MpiTransfer : public Transfer {
 public:
  explicit MpiTransfer(std::vector<MPI_Request> requests) : requests_(std::move(requests)) {}

  bool done() override {
    int flag = 0;
    check_mpi(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &flag, MPI_STATUSES_IGNORE),
              "MPI_Testall");
    return flag != 0;
  }

 private:
  std::vector<MPI_Request> requests_;
};

class MpiTransport : public Transport {
 public:
  /// Owns `comm`. `key`: what the group is called and who is in it, alike on all members and unlike other groups'.
  MpiTransport(MPI_Comm comm, std::string key, std::vector<int> world_ranks, std::shared_ptr<Monitor> monitor,
               bool cores_are_shared)
      : comm_(comm),
        key_(std::move(key)),
        world_ranks_(std::move(world_ranks)),
        monitor_(std::move(monitor)),
        begun_(monitor_->begun(fnv1a(key_))),
        cores_are_shared_(cores_are_shared) {
    int* highest_tag = nullptr;
    int found = 0;
    check_mpi(MPI_Comm_get_attr(comm_, MPI_TAG_UB, &highest_tag, &found), "MPI_Comm_get_attr");
    constexpr int kPromised = 32767;
    operations_in_tags_ = ((found != 0 ? *highest_tag : kPromised) - kPhases) / kPhases;
  }

  ~MpiTransport() override {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized == 0) MPI_Comm_free(&comm_);
  }

  std::unique_ptr<Transfer> exchange(std::int64_t operation, int phase, const std::vector<Piece>& sends,
                                     const std::vector<Piece>& receives) override {
    const int tag = static_cast<int>(operation % operations_in_tags_) * kPhases + phase;
    std::vector<MPI_Request> requests;
    requests.reserve(sends.size() + receives.size());
    for (const Piece& piece : receives) {
      check_mpi(MPI_Irecv(piece.data, static_cast<int>(piece.bytes), MPI_BYTE, piece.peer, tag, comm_,
                          &requests.emplace_back()),
                "MPI_Irecv");
    }
    for (const Piece& piece : sends) {
      check_mpi(MPI_Isend(piece.data, static_cast<int>(piece.bytes), MPI_BYTE, piece.peer, tag, comm_,
                          &requests.emplace_back()),
                "MPI_Isend");
    }
    return std::make_unique<MpiTransfer>(std::move(requests));
  }

  void idle(std::chrono::duration<double> waited) override {
    using std::chrono::microseconds;
    if (waited < microseconds(cores_are_shared_ ? 0 : 100)) return;
    if (waited < microseconds(2000)) return std::this_thread::yield();
    std::this_thread::sleep_for(microseconds(waited < microseconds(50000) ? 50 : 500));
  }

  void entered(std::int64_t operation) override { begun_ = operation + 1; }

  std::vector<std::optional<std::int64_t>> entered_by_members() override {
    return monitor_->ask_begun(fnv1a(key_), world_ranks_);
  }

  std::shared_ptr<Transport> subgroup(const std::string& name, const std::vector<int>& ranks) override {
    // Members call in the same order, so they number groups of equal name and members alike.
    std::string key = fmt::format("{}/{}:{}", key_, name, ranks);
    key += fmt::format("#{}", subgroups_[key]++);
    std::vector<int> world_ranks;
    for (const int rank : ranks) world_ranks.push_back(world_ranks_[static_cast<std::size_t>(rank)]);

    MPI_Group all, some;
    MPI_Comm comm;
    check_mpi(MPI_Comm_group(comm_, &all), "MPI_Comm_group");
    check_mpi(MPI_Group_incl(all, static_cast<int>(ranks.size()), ranks.data(), &some), "MPI_Group_incl");
    // The tag keeps apart what groups that are made at the same time tell each other.
    constexpr std::uint64_t kTags = 32749;
    const int tag = static_cast<int>(fnv1a(key) % kTags);
    check_mpi(MPI_Comm_create_group(comm_, some, tag, &comm), "MPI_Comm_create_group");
    MPI_Group_free(&some);
    MPI_Group_free(&all);
    return std::make_shared<MpiTransport>(comm, std::move(key), std::move(world_ranks), monitor_, cores_are_shared_);
  }

 private:
  static constexpr int kPhases = 32;  // more than any operation has

  MPI_Comm comm_;
  std::string key_;
  std::vector<int> world_ranks_;
  std::shared_ptr<Monitor> monitor_;
  std::atomic<std::int64_t>& begun_;
  bool cores_are_shared_;
  std::int64_t operations_in_tags_ = 0;
  std::map<std::string, int> subgroups_;
};

}  // namespace

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail("{} failed: {}", call, std::string(text, static_cast<std::size_t>(length)));
}

std::shared_ptr<Transport> make_mpi_transport(std::shared_ptr<Monitor> monitor, bool cores_are_shared) {
  MPI_Comm comm;
  int size = 0;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm), "MPI_Comm_dup");
  check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  std::vector<int> world_ranks(static_cast<std::size_t>(size));
  for (int rank = 0; rank < size; ++rank) world_ranks[static_cast<std::size_t>(rank)] = rank;
  return std::make_shared<MpiTransport>(comm, "world", std::move(world_ranks), std::move(monitor), cores_are_shared);
}

}  // namespace polymoe
