#include "polymoe/cli/parallel.h"

#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <thread>

#include <fmt/format.h>

namespace polymoe::cli {
namespace {

std::unique_ptr<World>& the_world() {
  static std::unique_ptr<World> instance;
  return instance;
}

}  // namespace

World& world(double time_out_seconds) {
  if (the_world() == nullptr) {
    PointToPointOptions options;
    options.time_out = std::chrono::duration<double>(time_out_seconds);
    the_world() = std::make_unique<World>(options);
  }
  return *the_world();
}

void close_world() { the_world() = nullptr; }

void fail_together(const std::exception& error, const std::string& message, int code,
                   const std::function<void(const std::string&)>& print) {
  // Before the world is there, processes read options and files: all make the same mistake, and it is nobody's in
  // particular.
  const bool has_begun = the_world() != nullptr;
  try {
    world();
  } catch (const std::exception&) {  // nobody to fail together with; most likely `message` is about that
    if (launched_rank() == 0) print(message);
    std::_Exit(code);
  }
  World& all = world();
  const int rank = all.communicator().rank();
  if (all.first_to_fail() == rank) {
    std::optional<int> whose;
    if (const auto* shared = dynamic_cast<const SharedError*>(&error)) {
      whose = shared->world_rank();
    } else if (has_begun) {
      whose = rank;
    }
    print(whose ? fmt::format("rank {}: {}", *whose, message) : message);
    all.abort(code);
  }
  constexpr std::chrono::seconds kUntilTheOtherEndsThis{10};
  std::this_thread::sleep_for(kUntilTheOtherEndsThis);
  std::_Exit(code);
}

}  // namespace polymoe::cli
