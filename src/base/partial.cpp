#include "base/partial.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

namespace polymoe {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kMark = ".partial-";

/// The process that a partial of `name` is named after.
std::optional<pid_t> process_of(std::string_view entry, std::string_view name) {
  if (!entry.starts_with(name) || !entry.substr(name.size()).starts_with(kMark)) return {};
  const std::string_view digits = entry.substr(name.size() + kMark.size());
  pid_t process = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), process);
  if (error != std::errc() || end != digits.data() + digits.size() || process <= 0) return {};
  return process;
}

/// Between making a partial and locking it a moment passes, in which it belongs to a process that lives. A number may
/// belong to another process by now, so what is older than such a moment is judged by its lock alone.
bool may_be_new(pid_t process, const struct stat& status) {
  constexpr std::time_t kMoment = 60;
  const bool lives = kill(process, 0) == 0 || errno != ESRCH;
  return lives && std::time(nullptr) - status.st_mtime < kMoment;
}

/// Nobody writes to it. Where locks cannot be had (some file systems of networks), everything counts as in use.
bool is_stale(const fs::path& partial, pid_t process) {
  const bool is_folder = fs::is_directory(fs::symlink_status(partial));
  const int descriptor =
      open(partial.c_str(), (is_folder ? O_RDONLY | O_DIRECTORY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) return false;
  struct stat status {};
  const bool stale =
      flock(descriptor, LOCK_EX | LOCK_NB) == 0 && fstat(descriptor, &status) == 0 && !may_be_new(process, status);
  close(descriptor);
  return stale;
}

}  // namespace

fs::path partial_name(const fs::path& path) {
  fs::path partial = path;
  partial += fmt::format("{}{}", kMark, getpid());
  return partial;
}

void lock_partial(int descriptor) { flock(descriptor, LOCK_EX | LOCK_NB); }

void remove_stale_partials(const fs::path& path) {
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const std::string name = path.filename().string();
  std::error_code error;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end; entry.increment(error)) {
    const std::optional<pid_t> process = process_of(entry->path().filename().string(), name);
    if (!process || *process == getpid() || !is_stale(entry->path(), *process)) continue;
    std::error_code failed;
    fs::remove_all(entry->path(), failed);
    if (!failed) log_info("removed {}, which a killed process left unfinished", entry->path().string());
  }
}

}  // namespace polymoe
