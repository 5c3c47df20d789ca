// The checkpoints of a run folder: which is the newest, and which may go.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "polymoe/base/error.h"
#include "polymoe/base/log.h"
#include "polymoe/base/partial.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/checkpoint/index.h"

namespace polymoe {

namespace fs = std::filesystem;

namespace {

/// Reads a whole text as a decimal number; nothing if it is none or too large.
template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size() || text.front() == '-') return std::nullopt;
  return number;
}

/// The update of a numbered checkpoint, by its name, which begins with kCheckpointPrefix.
std::optional<std::int64_t> update_of(std::string_view name) {
  return parse_number<std::int64_t>(name.substr(std::string_view(kCheckpointPrefix).size()));
}

std::vector<std::string> checkpoint_folders(const fs::path& run_folder) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator it(run_folder, code), end; !code && it != end; it.increment(code)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (name.starts_with(kCheckpointPrefix) && it->is_directory(ignored)) names.push_back(name);
  }
  const bool holds_nothing = code == std::errc::no_such_file_or_directory || code == std::errc::not_a_directory;
  if (code && !holds_nothing) {
    throw Error("cannot read the folder: " + code.message(), {run_folder, 0});
  }
  return names;
}

/// The numbered checkpoints, newest first.
std::vector<fs::path> numbered_checkpoints(const fs::path& run_folder) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  for (const std::string& name : checkpoint_folders(run_folder)) {
    const auto update = update_of(name);
    if (update) found.emplace_back(*update, run_folder / name);
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<fs::path> paths;
  for (auto& [update, path] : found) paths.push_back(std::move(path));
  return paths;
}

bool opens(const fs::path& path, Check check = Check::kHeaders) {
  try {
    Checkpoint::open(path, check);
    return true;
  } catch (const Error& error) {
    log_warning("passing over a checkpoint: {}", error.what());
    return false;
  }
}

/// By `polymoe average` and the like, which may write anywhere: no part of the run.
bool is_made_of_others(const Checkpoint& checkpoint) { return checkpoint.meta().contains("origin"); }

/// Removes a checkpoint so that it is never seen with a part of its files.
void remove_checkpoint(const fs::path& path) {
  const fs::path doomed = partial_name(path);
  std::error_code code;
  fs::rename(path, doomed, code);
  if (!code) fs::remove_all(doomed, code);
  if (code) throw Error("cannot remove an old checkpoint: " + code.message(), {path, 0});
}

}  // namespace

std::string checkpoint_name(std::int64_t update) { return fmt::format("{}{:07}", kCheckpointPrefix, update); }

std::vector<fs::path> all_checkpoints(const fs::path& run_folder) {
  std::vector<fs::path> found;
  std::error_code code;
  if (!fs::is_directory(run_folder, code)) return found;
  for (const std::string& name : checkpoint_folders(run_folder)) {
    if (name == kBestCheckpoint || update_of(name)) found.push_back(run_folder / name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<fs::path> find_latest(const fs::path& run_folder, Check check) {
  for (const fs::path& path : numbered_checkpoints(run_folder)) {
    if (opens(path, check)) return path;
  }
  return std::nullopt;
}

std::optional<fs::path> find_start(const fs::path& run_folder, Check check) {
  std::size_t damaged = 0;
  for (const fs::path& path : numbered_checkpoints(run_folder)) {
    try {
      if (!is_made_of_others(Checkpoint::open(path, check))) return path;
      remark("is made of other checkpoints: a training does not go on from it", {path, 0});
    } catch (const Error& error) {
      if (is_strict()) throw;
      remark(fmt::format("passing over a checkpoint: {}", error.what()));
      ++damaged;
    }
  }
  const bool has_best = path_exists(run_folder / kBestCheckpoint / kIndexFile);
  if (damaged == 0 && !has_best) return std::nullopt;
  const std::string what = damaged > 0
                               ? fmt::format("none of its {} numbered checkpoints is whole", damaged)
                               : fmt::format("holds {}, but no numbered checkpoint to go on from", kBestCheckpoint);
  const std::string best = has_best ? fmt::format("start from {} with --init and another --out", kBestCheckpoint)
                                    : "train into another folder";
  throw Error(what, {run_folder, 0},
              fmt::format("nothing was touched: bring a whole checkpoint back, or {}, or remove the folder", best));
}

std::vector<fs::path> find_last(const fs::path& run_folder, std::int64_t count) {
  std::vector<fs::path> found;
  for (const fs::path& path : numbered_checkpoints(run_folder)) {
    if (static_cast<std::int64_t>(found.size()) == count) break;
    if (opens(path)) found.push_back(path);
  }
  if (static_cast<std::int64_t>(found.size()) < count) {
    throw Error(fmt::format("holds {} numbered checkpoints, not {}", found.size(), count), {run_folder, 0},
                "train.keep-checkpoints says how many a training keeps");
  }
  std::reverse(found.begin(), found.end());
  return found;
}

void prune_checkpoints(const fs::path& run_folder, std::int64_t keep) {
  remove_stale_partials(run_folder, kCheckpointPrefix);
  std::int64_t kept = 0;
  for (const fs::path& path : numbered_checkpoints(run_folder)) {
    std::optional<Checkpoint> checkpoint;
    try {
      checkpoint.emplace(Checkpoint::open(path, Check::kHeaders));
    } catch (const Error& error) {
      log_warning("{}", error.what());
    }
    if (checkpoint && is_made_of_others(*checkpoint)) continue;
    if (kept >= std::max<std::int64_t>(keep, 1)) {
      remove_checkpoint(path);
    } else if (checkpoint) {
      ++kept;
    }
  }
}

}  // namespace polymoe
