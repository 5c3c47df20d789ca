// Communicators over MPI. Run as several processes; each runs one of the cases below and says nothing but what fails.
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "polymoe/comm/world.h"

namespace polymoe {
namespace {

PointToPointOptions small_pieces() {
  PointToPointOptions options;
  options.piece_limit = 1000;  // so that every message of some length is cut
  return options;
}

void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

at::Tensor values_of(int rank, std::int64_t elements, c10::ScalarType type = c10::kFloat) {
  const at::Tensor whole = at::arange(elements, c10::kLong).mul(37).add(rank * 101).remainder(89).sub(44);
  return whole.to(c10::kDouble).div(7).to(type);
}

at::Tensor sum_of(int members, std::int64_t elements, c10::ScalarType type) {
  const c10::ScalarType sum_type = type == c10::kBFloat16 ? c10::kFloat : type;
  at::Tensor total = values_of(0, elements, type).to(sum_type);
  for (int rank = 1; rank < members; ++rank) total = total.add(values_of(rank, elements, type).to(sum_type));
  return total.to(type);
}

void check_reductions(Communicator& group) {
  for (const c10::ScalarType type : {c10::kFloat, c10::kDouble, c10::kBFloat16, c10::kLong}) {
    for (const std::int64_t elements : {0, 1, 100, 50001}) {
      const at::Tensor x = values_of(group.rank(), elements, type);
      group.all_reduce(x);
      require(x.equal(sum_of(group.size(), elements, type)), fmt::format("all-reduce of {}", elements));

      const at::Tensor part = at::zeros({elements}, type);
      group.reduce_scatter(values_of(group.rank(), elements * group.size(), type), part);
      const at::Tensor sums = sum_of(group.size(), elements * group.size(), type);
      require(part.equal(sums.narrow(0, elements * group.rank(), elements)), "reduce-scatter");
    }
  }
}

void check_moves(Communicator& group) {
  const int n = group.size(), self = group.rank();
  std::vector<std::int64_t> counts, sends, receives;
  std::vector<at::Tensor> inputs, sent, received;
  for (int r = 0; r < n; ++r) {
    counts.push_back(777 * (r % 3));
    inputs.push_back(values_of(r, counts.back()));
    sends.push_back((2 * self + 3 * r) % 5 * 300);
    receives.push_back((2 * r + 3 * self) % 5 * 300);
    sent.push_back(values_of(10 * self + r, sends.back()));
    received.push_back(values_of(10 * r + self, receives.back()));
  }
  const at::Tensor gathered = at::zeros({std::accumulate(counts.begin(), counts.end(), std::int64_t{0})});
  group.all_gather(inputs[static_cast<std::size_t>(self)], gathered, counts);
  require(gathered.equal(at::cat(inputs)), "all-gather");

  const at::Tensor output = at::zeros({std::accumulate(receives.begin(), receives.end(), std::int64_t{0})});
  group.all_to_all(at::cat(sent), sends, output, receives);
  require(output.equal(at::cat(received)), "all-to-all");

  for (int root = 0; root < n; ++root) {
    for (const std::int64_t elements : {1, 5000}) {
      const at::Tensor x = values_of(self, elements);
      group.broadcast(x, root);
      require(x.equal(values_of(root, elements)), "broadcast");
    }
  }
  group.barrier();
  require(all_gather_texts(group, fmt::format("{}", self)).back() == fmt::format("{}", n - 1), "texts");
}

void collectives() {
  World world(small_pieces());
  Communicator& all = world.communicator();
  require(all.size() == launched_processes() && all.rank() == launched_rank(), "the world is what was launched");
  require(world.local_processes() == all.size(), "all processes are on this machine");
  check_reductions(all);
  check_moves(all);

  // Neighbours in pairs, then every second rank in reverse: groups of different members, under way at the same time.
  const int self = all.rank(), n = all.size();
  const std::unique_ptr<Communicator> pair = all.make_group("pair", {self / 2 * 2, self / 2 * 2 + 1});
  std::vector<int> members;
  for (int rank = n - 2 + self % 2; rank >= 0; rank -= 2) members.push_back(rank);
  const std::unique_ptr<Communicator> stride = all.make_group("stride", members);
  check_reductions(*pair);
  check_moves(*stride);
  const at::Tensor a = values_of(pair->rank(), 30000), b = values_of(stride->rank(), 20000);
  Pending first = pair->start_all_reduce(a), second = stride->start_all_reduce(b);
  if (self == 0) first.swap(second);
  first->wait();
  second->wait();
  require(a.equal(sum_of(2, 30000, c10::kFloat)) && b.equal(sum_of(n / 2, 20000, c10::kFloat)), "overlapping groups");
}

/// The last rank never comes to an all-reduce; the others say so.
void late_rank() {
  PointToPointOptions options;
  options.time_out = std::chrono::seconds(1);
  World world(options);
  Communicator& all = world.communicator();
  const int late = all.size() - 1;
  std::string message;
  if (all.rank() != late) {
    const at::Tensor x = at::zeros({5000});
    try {
      all.all_reduce(x);
    } catch (const std::exception& error) {
      message = error.what();
    }
    const std::string expected = fmt::format(
        "all-reduce number 1 of group 'world' (ranks 0-{}) has made no progress for 1 seconds; late: rank {}", late,
        late);
    require(message == expected, "the message is: " + message);
    // The world cannot end in order any more.
    std::this_thread::sleep_for(std::chrono::seconds(1));
    world.abort(42);
  }
  std::this_thread::sleep_for(std::chrono::minutes(10));
}

/// Rank 1 fails while the others wait for it, then the others fail of their own accord: only rank 1 may report.
void first_failure() {
  World world;
  Communicator& all = world.communicator();
  if (all.rank() != 1) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    require(world.first_to_fail() == 1, "rank 1 failed first");
    std::this_thread::sleep_for(std::chrono::minutes(10));
  }
  require(world.first_to_fail() == 1, "this is the first failure");
  std::this_thread::sleep_for(std::chrono::seconds(3));
  world.abort(42);
}

}  // namespace
}  // namespace polymoe

int main(int argc, char** argv) {
  const std::map<std::string, std::function<void()>> cases = {{"collectives", polymoe::collectives},
                                                              {"late-rank", polymoe::late_rank},
                                                              {"first-failure", polymoe::first_failure}};
  try {
    cases.at(argc > 1 ? argv[1] : "")();
  } catch (const std::exception& error) {
    fmt::print(stderr, "rank {}: {}\n", polymoe::launched_rank(), error.what());
    std::_Exit(1);
  }
  return 0;
}
