#include "polymoe/base/memory.h"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace polymoe {
namespace {

// A number alone in a file; -1 where there is none ("max").
std::int64_t number_in(const char* path) {
  std::ifstream file(path);
  std::int64_t number = 0;
  return file >> number ? number : -1;
}

// Of a file with a name and a number on each line.
std::int64_t number_of(const char* path, const std::string& name) {
  std::ifstream file(path);
  std::string key;
  for (std::int64_t number = 0; file >> key >> number;) {
    if (key == name) return number;
  }
  return 0;
}

}  // namespace

std::int64_t peak_resident_bytes() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? std::int64_t{usage.ru_maxrss} * 1024 : 0;
}

std::int64_t available_bytes() {
  std::ifstream file("/proc/meminfo");
  std::int64_t available = 0;
  for (std::string key, unit; file >> key;) {
    std::int64_t kilobytes = 0;
    file >> kilobytes;
    std::getline(file, unit);
    if (key == "MemAvailable:") available = kilobytes * 1024;
  }
  const std::int64_t limit = number_in("/sys/fs/cgroup/memory.max");
  std::int64_t used = number_in("/sys/fs/cgroup/memory.current");
  // Pages of files go when memory is wanted.
  for (const char* kind : {"active_file", "inactive_file"}) used -= number_of("/sys/fs/cgroup/memory.stat", kind);
  if (limit > 0 && used >= 0) available = std::min(available, std::max<std::int64_t>(1, limit - used));
  return available;
}

}  // namespace polymoe
