#include "polymoe/metrics/append_file.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "polymoe/base/error.h"

namespace polymoe {

AppendFile::AppendFile(std::filesystem::path path) : path_(std::move(path)) { reopen(); }

AppendFile::~AppendFile() { close_file(); }

void AppendFile::close_file() {
  if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
}

void AppendFile::reopen() {
  close_file();
  descriptor_ = open(path_.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_errno("cannot open for writing", path_);
}

void AppendFile::append(std::string_view record) {
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) fail_errno("cannot write", path_);
  std::size_t written = 0;
  while (written < record.size()) {
    const ssize_t got = write(descriptor_, record.data() + written, record.size() - written);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int code = errno;
      // Best effort: should this fail as well, readers and the next writer still know an incomplete end.
      [[maybe_unused]] const int ignored = ftruncate(descriptor_, status.st_size);
      errno = code;
      fail_errno("cannot write", path_, "is the disk full?");
    }
    written += static_cast<std::size_t>(got);
  }
}

void AppendFile::truncate(std::uintmax_t size) {
  if (ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail_errno("cannot shorten", path_);
}

}  // namespace polymoe
