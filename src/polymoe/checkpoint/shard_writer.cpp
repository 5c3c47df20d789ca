#include "polymoe/checkpoint/shard_writer.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"

namespace polymoe {
namespace {

constexpr char kFull[] = "is the disk full?";

}  // namespace

void create_shard(const std::filesystem::path& path, std::uint64_t bytes) {
  const int descriptor = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  if (descriptor < 0) fail_errno("cannot create", path);
  const int code = ftruncate(descriptor, static_cast<off_t>(bytes));
  const int why = errno;
  close(descriptor);
  errno = why;
  if (code != 0) fail_errno("cannot write", path, kFull);
}

ShardWriter::ShardWriter(const std::filesystem::path& path) : path_(path) {
  descriptor_ = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail_errno("cannot open", path, "all processes must see the same output folder");
}

ShardWriter::~ShardWriter() { close(descriptor_); }

void ShardWriter::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  // Small enough to stay in the cache between checksum and write.
  constexpr std::size_t kPiece = std::size_t{1} << 18;
  while (!bytes.empty()) {
    const std::size_t size = std::min(kPiece, bytes.size());
    const ssize_t got = pwrite(descriptor_, bytes.data(), size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno("cannot write", path_, kFull);
    const auto written = bytes.first(static_cast<std::size_t>(got));
    crc_ = crc32_joined(crc_, crc32_of(written), offset + written.size() - end_);
    offset += written.size();
    end_ = offset;
    bytes = bytes.subspan(written.size());
  }
}

void ShardWriter::sync() {
  if (fsync(descriptor_) != 0) fail_errno("cannot sync", path_, kFull);
}

std::uint32_t ShardWriter::checksum_share(std::uint64_t file_bytes) const {
  return crc32_joined(crc_, 0, file_bytes - end_);
}

}  // namespace polymoe
