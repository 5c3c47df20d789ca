#include "polymoe/base/partial.h"

#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "polymoe/base/folder_lock.h"
#include "polymoe/base/log.h"

namespace polymoe {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPartialMark = ".partial-";
constexpr std::string_view kOldMark = ".old-";

fs::path marked(fs::path path, std::string_view mark) {
  path += fmt::format("{}{}", mark, getpid());
  return path;
}

struct Entry {
  std::string stem;  // what it was to become, or was
  bool is_old = false;
};

std::optional<Entry> parse_entry(std::string_view name) {
  for (const std::string_view mark : {kPartialMark, kOldMark}) {
    const std::size_t at = name.rfind(mark);
    if (at == std::string_view::npos) continue;
    const std::string_view process = name.substr(at + mark.size());
    const bool is_number = !process.empty() && process.find_first_not_of("0123456789") == std::string_view::npos;
    if (is_number) return Entry{std::string(name.substr(0, at)), mark == kOldMark};
  }
  return std::nullopt;
}

/// Clears it away unless somebody holds its lock, which is ours meanwhile.
void remove_if_stale(const fs::path& path, const Entry& entry) {
  const bool is_folder = fs::is_directory(fs::symlink_status(path));
  const int descriptor =
      open(path.c_str(), (is_folder ? O_RDONLY | O_DIRECTORY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) return;
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
    std::error_code error;
    const fs::path target = path.parent_path() / entry.stem;
    const bool comes_back = entry.is_old && !fs::exists(fs::symlink_status(target));
    if (comes_back) {
      fs::rename(path, target, error);
    } else {
      fs::remove_all(path, error);
    }
    if (error) {
      log_warning("cannot clear away {}, which a killed process left: {}", path.string(), error.message());
    } else if (comes_back) {
      log_info("{} has its name back, which a killed process had taken from it", target.string());
    } else {
      log_info("removed {}, which a killed process left unfinished", path.string());
    }
  }
  close(descriptor);
}

void remove_stale(const fs::path& folder, const std::function<bool(std::string_view stem)>& is_wanted) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::optional<Entry> entry = parse_entry(it->path().filename().string());
    if (entry && is_wanted(entry->stem)) remove_if_stale(it->path(), *entry);
  }
}

}  // namespace

fs::path partial_name(const fs::path& path) { return marked(path, kPartialMark); }
fs::path old_name(const fs::path& path) { return marked(path, kOldMark); }

bool lock_partial(int descriptor, const fs::path& partial) {
  constexpr int kTries = 100;  // one that takes it for a left one has it for a moment
  for (int i = 0; flock(descriptor, LOCK_EX | LOCK_NB) != 0; ++i) {
    if (errno != EWOULDBLOCK) return true;
    if (i == kTries) throw Error("another process writes it", {partial, 0}, "wait until it has ended");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return has_name(descriptor, partial);
}

void remove_stale_partials(const fs::path& path) {
  const std::string name = path.filename().string();
  remove_stale(path.has_parent_path() ? path.parent_path() : fs::path("."),
               [&](std::string_view stem) { return stem == name; });
}

void remove_stale_partials(const fs::path& folder, std::string_view prefix) {
  remove_stale(folder, [&](std::string_view stem) { return stem.starts_with(prefix); });
}

}  // namespace polymoe
