#include "polymoe/comm/hosts.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>

namespace polymoe {
namespace {

// With what the kernel drew when it booted: machines may have equal names.
std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  return name.data() + (" " + boot);
}

}  // namespace

std::vector<int> hosts_of(Communicator& world) {
  const std::vector<std::string> names = all_gather_texts(world, host_name());
  std::vector<int> hosts;
  for (const std::string& name : names) {
    hosts.push_back(static_cast<int>(std::find(names.begin(), names.end(), name) - names.begin()));
  }
  return hosts;
}

int processes_here(Communicator& world) {
  const std::vector<int> hosts = hosts_of(world);
  return static_cast<int>(std::count(hosts.begin(), hosts.end(), hosts[static_cast<std::size_t>(world.rank())]));
}

}  // namespace polymoe
