#include "polymoe/base/partial.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include <dirent.h>
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

/// Names of what is being written, in memory that stays: a handler may read them at any time.
struct ListedName {
  std::array<char, 4096> path;  // the longest that the system takes
  std::atomic<bool> is_taken, is_whole;
};
constexpr std::size_t kMostListed = 16;
std::array<ListedName, kMostListed> listed_names;

/// A file, or a folder with what is in it, by means that handlers of signals may use.
void remove_in_handler(int parent, const char* name, int depth) noexcept {
  if (unlinkat(parent, name, 0) == 0 || errno != EISDIR || depth == 0) return;
  const int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (folder < 0) return;
  alignas(dirent64) std::array<char, 4096> entries;
  for (ssize_t got = 0; (got = getdents64(folder, entries.data(), entries.size())) > 0;) {
    for (ssize_t at = 0; at < got;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(entries.data() + at);
      at += entry->d_reclen;
      const bool is_itself = std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0;
      if (!is_itself) remove_in_handler(folder, entry->d_name, depth - 1);
    }
  }
  close(folder);
  unlinkat(parent, name, AT_REMOVEDIR);
}

}  // namespace

ListedPartial::ListedPartial(const fs::path& partial) : slot_(kMostListed) {
  const std::string& path = partial.native();
  for (std::size_t i = 0; i < kMostListed && path.size() < listed_names[i].path.size(); ++i) {
    if (listed_names[i].is_taken.exchange(true)) continue;
    slot_ = i;
    std::memcpy(listed_names[i].path.data(), path.c_str(), path.size() + 1);
    listed_names[i].is_whole = true;
    return;
  }
}

ListedPartial::~ListedPartial() {
  if (slot_ == kMostListed) return;
  listed_names[slot_].is_whole = false;
  listed_names[slot_].is_taken = false;
}

void remove_listed_partials() noexcept {
  constexpr int kDeepest = 4;  // folders in folders
  for (const ListedName& name : listed_names) {
    if (name.is_whole) remove_in_handler(AT_FDCWD, name.path.data(), kDeepest);
  }
}

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
