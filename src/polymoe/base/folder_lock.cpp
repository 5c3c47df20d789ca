#include "polymoe/base/folder_lock.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "polymoe/base/log.h"

namespace polymoe {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "?";
}

std::string content_of(int descriptor) {
  std::array<char, 512> text{};
  const ssize_t got = pread(descriptor, text.data(), text.size() - 1, 0);
  std::string content(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!content.empty() && content.back() == '\n') content.pop_back();
  return content;
}

}  // namespace

bool has_name(int descriptor, const std::filesystem::path& path) {
  struct stat held {
  }, named{};
  return fstat(descriptor, &held) == 0 && stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
         held.st_dev == named.st_dev;
}

FolderLock::FolderLock(std::filesystem::path folder, const char* who)
    : folder_(std::move(folder)), file_(folder_ / ".lock") {
  do {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0) {
      throw Error(fmt::format("cannot write into the folder: {}", std::strerror(errno)), {folder_, 0});
    }
    if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) continue;
    if (errno == EWOULDBLOCK) {
      const std::string holder = content_of(descriptor_);
      close(descriptor_);
      throw Error(fmt::format("another {} writes here{}", who, holder.empty() ? "" : ": " + holder), {folder_, 0},
                  "wait until it has ended, or use another folder");
    }
    log_warning("{}: the file system has no locks ({}); see that no other {} writes there", folder_.string(),
                std::strerror(errno), who);
    return;
  } while (!has_name(descriptor_, file_));  // the holder before removed it in between
  const std::string self = fmt::format("process {} on {}\n", getpid(), host_name());
  if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, self.data(), self.size(), 0) < 0) {
    log_debug("{}: {}", file_.string(), std::strerror(errno));  // a full disk; the lock holds all the same
  }
}

FolderLock::~FolderLock() {
  if (has_name(descriptor_, file_)) unlink(file_.c_str());
  close(descriptor_);
}

void FolderLock::check() const {
  if (has_name(descriptor_, file_)) return;
  throw Error("was removed or replaced while it was in use", {folder_, 0},
              "what was written there is gone; start again, with another folder");
}

}  // namespace polymoe
