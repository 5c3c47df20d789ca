#include "base/atomic_folder.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <unistd.h>

#include "base/error.h"
#include "base/files.h"

namespace polymoe {

namespace fs = std::filesystem;

AtomicFolder::AtomicFolder(fs::path path) : path_(std::move(path)) {
  if (!path_.has_filename()) path_ = path_.parent_path();  // "corpus/" names the same folder as "corpus"
  temporary_ = path_;
  temporary_ += fmt::format(".partial-{}", getpid());
  std::error_code error;
  fs::remove_all(temporary_, error);
  fs::create_directories(temporary_, error);
  if (error) throw Error("cannot create the folder: " + error.message(), {temporary_, 0});
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  sync_folder(temporary_);
  // rename() replaces only empty folders, so an older one steps aside first and comes back if the rename fails.
  fs::path older = path_;
  older += fmt::format(".old-{}", getpid());
  std::error_code error;
  const bool replaces = fs::exists(fs::symlink_status(path_));
  if (replaces) fs::rename(path_, older, error);
  if (error) throw Error("cannot replace the folder: " + error.message(), {path_, 0});
  fs::rename(temporary_, path_, error);
  if (error) {
    std::error_code ignored;
    if (replaces) fs::rename(older, path_, ignored);
    throw Error("cannot rename the finished folder: " + error.message(), {path_, 0});
  }
  temporary_.clear();
  if (replaces) fs::remove_all(older, error);
  sync_folder(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
}

}  // namespace polymoe
