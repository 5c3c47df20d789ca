#include "polymoe/base/atomic_folder.h"

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/partial.h"

namespace polymoe {

namespace fs = std::filesystem;

namespace {

/// One sync for all files: syncing hundreds of them one by one can take minutes on a busy disk.
void sync_everything_of(const fs::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail_errno("cannot open", folder);
  const int code = syncfs(descriptor);
  close(descriptor);
  if (code != 0) fail_errno("cannot sync", folder, "is the disk full?");
}

}  // namespace

AtomicFolder::AtomicFolder(fs::path path) : path_(std::move(path)) {
  if (!path_.has_filename()) path_ = path_.parent_path();  // "corpus/" names the same folder as "corpus"
  temporary_ = partial_name(path_);
  remove_stale_partials(path_);
  do {
    if (lock_ >= 0) close(lock_);
    std::error_code error;
    fs::create_directories(temporary_, error);
    if (error) throw Error("cannot create the folder: " + error.message(), {temporary_, 0});
    lock_ = open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_ < 0 && errno != ENOENT) fail_errno("cannot open", temporary_);
  } while (lock_ < 0 || !lock_partial(lock_, temporary_));
  listed_ = std::make_unique<ListedPartial>(temporary_);  // ours alone from here on
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
  unlock();
}

void AtomicFolder::commit() {
  sync_everything_of(temporary_);
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path_))) {
    fs::rename(temporary_, path_, error);
    if (error) throw Error("cannot rename the finished folder: " + error.message(), {path_, 0});
    temporary_.clear();
  } else if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) != 0) {
    replace_in_two_steps();
  }
  sync_folder(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
  if (!temporary_.empty()) fs::remove_all(temporary_, error);  // now the older folder
  temporary_.clear();
  unlock();
}

void AtomicFolder::unlock() {
  for (int* lock : {&lock_, &old_lock_}) {
    if (*lock >= 0) close(std::exchange(*lock, -1));
  }
}

// For file systems that cannot exchange two names: the older folder steps aside, and comes back if the rename fails.
void AtomicFolder::replace_in_two_steps() {
  const fs::path older = old_name(path_);
  old_lock_ = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (old_lock_ >= 0) lock_partial(old_lock_, path_);
  std::error_code error, ignored;
  fs::rename(path_, older, error);
  if (error) throw Error("cannot replace the folder: " + error.message(), {path_, 0});
  fs::rename(temporary_, path_, error);
  if (error) {
    fs::rename(older, path_, ignored);
    throw Error("cannot rename the finished folder: " + error.message(), {path_, 0});
  }
  temporary_ = older;
}

}  // namespace polymoe
