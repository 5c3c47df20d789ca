#include "polymoe/base/files.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "polymoe/base/error.h"
#include "polymoe/base/partial.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/utf8.h"

namespace polymoe {

namespace fs = std::filesystem;

// LineReader ----------------------------------------------------------------------------------------------------------

struct LineReader::State {
  std::string path;
  std::size_t max_line_bytes = 0;
  int descriptor = -1;
  std::vector<Bytef> packed = std::vector<Bytef>(kChunk);  // as it stands in the file
  z_stream stream{};                                       // its input is what is left of `packed`
  bool is_gzip = false;
  bool in_member = false;  // of a gzip file, which may be several, one behind the other
  std::string buffer;
  std::size_t begin = 0;
  std::uint64_t line_number = 0;
  bool at_end = false;

  static constexpr std::size_t kChunk = std::size_t{1} << 16;

  ~State() {
    if (is_gzip) inflateEnd(&stream);
    if (descriptor >= 0) close(descriptor);
  }

  [[noreturn]] void fail_reading(const std::string& reason) const {
    throw Error("cannot read: " + reason, {path, line_number + 1}, "check that the file is whole");
  }

  /// Reads more behind what is left of the input; false at the end of the file.
  bool refill() {
    std::memmove(packed.data(), stream.next_in, stream.avail_in);
    stream.next_in = packed.data();
    ssize_t got = 0;
    do {
      got = ::read(descriptor, packed.data() + stream.avail_in, packed.size() - stream.avail_in);
    } while (got < 0 && errno == EINTR);
    if (got < 0) fail_reading(std::strerror(errno));
    stream.avail_in += static_cast<uInt>(got);
    return got > 0;
  }

  /// Tells gzip from other text by its first two bytes. Of a pipe, a first byte that is a whole line must not wait.
  void begin_reading() {
    stream.next_in = packed.data();
    while ((stream.avail_in == 0 || (stream.avail_in == 1 && packed[0] == 0x1F)) && refill()) {
    }
    is_gzip = stream.avail_in >= 2 && packed[0] == 0x1F && packed[1] == 0x8B;
    constexpr int kGzipOnly = 15 + 16;
    if (is_gzip && inflateInit2(&stream, kGzipOnly) != Z_OK) {
      is_gzip = false;
      fail_reading("not enough memory");
    }
    in_member = is_gzip;
  }

  /// Whether another member of a gzip file begins. Zeros at the end are padding, as tapes have; other bytes would be
  /// lost.
  bool next_member() {
    bool padding = false;
    for (;;) {
      for (; stream.avail_in > 0 && *stream.next_in == 0; ++stream.next_in, --stream.avail_in) padding = true;
      if (stream.avail_in >= 2 && !padding && stream.next_in[0] == 0x1F && stream.next_in[1] == 0x8B) return true;
      const bool may_begin = stream.avail_in == 0 || (stream.avail_in == 1 && !padding && *stream.next_in == 0x1F);
      if (may_begin && refill()) continue;
      if (stream.avail_in == 0) return false;
      throw Error("what follows the packed text is not gzip", {path, line_number + 1},
                  "is the file damaged? 'gzip -dc FILE' gives the text without the rest");
    }
  }

  /// Unpacks what one piece of the file gives; 0 at its end.
  std::size_t unpack(char* to, std::size_t room) {
    stream.next_out = reinterpret_cast<Bytef*>(to);
    stream.avail_out = static_cast<uInt>(room);
    while (stream.avail_out == room) {
      if (!in_member) {
        if (!next_member()) break;
        inflateReset(&stream);
        in_member = true;
      }
      if (stream.avail_in == 0 && !refill()) fail_reading("unexpected end");
      const int code = inflate(&stream, Z_NO_FLUSH);
      if (code == Z_STREAM_END) in_member = false;
      if (code == Z_MEM_ERROR) fail_reading("not enough memory");
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
        fail_reading(stream.msg != nullptr ? stream.msg : "damaged");
      }
    }
    return room - stream.avail_out;
  }

  void fill() {
    if (stream.next_in == nullptr) begin_reading();
    buffer.erase(0, begin);
    begin = 0;
    const std::size_t old_size = buffer.size();
    std::size_t got = 0;
    if (is_gzip) {
      buffer.resize(old_size + kChunk);
      got = unpack(buffer.data() + old_size, kChunk);
      buffer.resize(old_size + got);
    } else if (stream.avail_in > 0 || refill()) {
      got = stream.avail_in;
      buffer.append(reinterpret_cast<const char*>(stream.next_in), got);
      stream.avail_in = 0;
    }
    at_end = got == 0;
  }
};

LineReader::LineReader(const std::string& path, std::size_t max_line_bytes) : state_(std::make_unique<State>()) {
  state_->path = path == "-" ? "standard input" : path;
  state_->max_line_bytes = max_line_bytes;
  if (path != "-" && is_folder(path)) throw Error("is a folder, not a file", {path, 0});
  state_->descriptor = path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (state_->descriptor < 0) fail_errno("cannot open", path);
}

LineReader::~LineReader() = default;
LineReader::LineReader(LineReader&&) noexcept = default;

bool LineReader::next(std::string& line) {
  State& s = *state_;
  std::size_t scanned = s.begin;
  for (;;) {
    const std::size_t end = s.buffer.find('\n', scanned);
    const std::size_t length = (end == std::string::npos ? s.buffer.size() : end) - s.begin;
    if (length > s.max_line_bytes) {
      throw Error(fmt::format("line of over {} bytes", s.max_line_bytes), {s.path, s.line_number + 1},
                  "is it text with one segment a line?");
    }
    if (end != std::string::npos || (s.at_end && length > 0)) {
      line.assign(s.buffer, s.begin, length);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      s.begin += length + (end != std::string::npos ? 1 : 0);
      if (++s.line_number == 1 && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
      return true;
    }
    if (s.at_end) return false;
    s.fill();
    scanned = length;
  }
}

std::string_view LineReader::beginning() {
  State& s = *state_;
  if (s.line_number == 0 && s.buffer.empty() && !s.at_end) s.fill();
  return s.line_number == 0 ? s.buffer : std::string_view();
}

std::uint64_t LineReader::line_number() const { return state_->line_number; }
const std::string& LineReader::path() const { return state_->path; }

// AtomicFile ----------------------------------------------------------------------------------------------------------

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  std::error_code ignored;
  constexpr int kMostLinks = 40;  // Linux's own limit
  for (int i = 0; i < kMostLinks && fs::is_symlink(path_, ignored); ++i) {
    path_ = path_.parent_path() / fs::read_symlink(path_);  // the link stays, also where it leads nowhere yet
  }
  const fs::file_type type = fs::status(path_, ignored).type();
  if (type != fs::file_type::regular && type != fs::file_type::not_found) {
    throw Error("is not a regular file", {path_, 0}, "choose another name for the result");
  }
  temporary_ = partial_name(path_);
  do {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = open(temporary_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail_errno("cannot create", temporary_);
  } while (!lock_partial(descriptor_, temporary_));
  listed_ = std::make_unique<ListedPartial>(temporary_);  // ours alone from here on
  if (ftruncate(descriptor_, 0) != 0) fail_errno("cannot write", temporary_);
  remove_stale_partials(path_);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) { write(std::as_bytes(std::span(bytes))); }

void AtomicFile::write(std::span<const std::byte> bytes) {
  constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
  size_ += bytes.size();
  while (!bytes.empty()) {
    const std::span<const std::byte> part = bytes.first(std::min(bytes.size(), kBufferBytes));
    buffer_.append(reinterpret_cast<const char*>(part.data()), part.size());
    if (buffer_.size() >= kBufferBytes) flush();
    bytes = bytes.subspan(part.size());
  }
}

void AtomicFile::flush() {
  std::size_t written = 0;
  while (written < buffer_.size()) {
    const ssize_t got = ::write(descriptor_, buffer_.data() + written, buffer_.size() - written);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno("cannot write", path_, "is the disk full?");
    written += static_cast<std::size_t>(got);
  }
  buffer_.clear();
}

void AtomicFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  flush();
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t got =
        pwrite(descriptor_, bytes.data() + written, bytes.size() - written, static_cast<off_t>(offset + written));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno("cannot write", path_, "is the disk full?");
    written += static_cast<std::size_t>(got);
  }
}

void AtomicFile::commit() {
  flush();
  if (fsync(descriptor_) != 0) fail_errno("cannot sync", path_, "is the disk full?");
  if (close(std::exchange(descriptor_, -1)) != 0) fail_errno("cannot close", path_);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    unlink(temporary_.c_str());
    fail_errno("cannot rename the finished file", path_);
  }
  sync_folder(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
}

// MappedFile ----------------------------------------------------------------------------------------------------------

namespace {

struct Mapping {
  std::size_t size;
  std::string path;
};

std::mutex mappings_mutex;

// By address; never destroyed, since files may be unmapped while the program ends.
std::map<const std::byte*, Mapping>& mappings() {
  static auto* const instance = new std::map<const std::byte*, Mapping>;
  return *instance;
}

}  // namespace

const char* mapped_file_at(const void* address) noexcept {
  const std::lock_guard lock(mappings_mutex);
  const auto* const place = static_cast<const std::byte*>(address);
  auto after = mappings().upper_bound(place);
  if (after == mappings().begin()) return "";
  --after;
  // The last page is mapped as a whole.
  constexpr std::size_t kPage = 4096;
  const std::size_t mapped = (after->second.size + kPage - 1) / kPage * kPage;
  return place < after->first + mapped ? after->second.path.c_str() : "";
}

MappedFile::MappedFile(const fs::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail_errno("cannot open", path);
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    throw Error("not a regular file", {path, 0});
  }
  size_ = static_cast<std::size_t>(status.st_size);
  void* address = size_ > 0 ? mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0) : nullptr;
  close(descriptor);
  if (address == MAP_FAILED) fail_errno("cannot map", path);
  data_ = static_cast<const std::byte*>(address);
  if (data_ == nullptr) return;
  const std::lock_guard lock(mappings_mutex);
  mappings()[data_] = {size_, path.string()};
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  const std::lock_guard lock(mappings_mutex);
  mappings().erase(data_);
  munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

void MappedFile::release(std::span<const std::byte> part) const {
  if (part.empty()) return;
  static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (static_cast<std::size_t>(part.data() - data_) + page - 1) / page * page;
  const auto end = static_cast<std::size_t>(part.data() - data_) + part.size();
  if (begin < end) madvise(const_cast<std::byte*>(data_) + begin, (end - begin) / page * page, MADV_DONTNEED);
}

// Functions -----------------------------------------------------------------------------------------------------------

std::string read_file(const fs::path& path) {
  const MappedFile file(path);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

void write_file(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void sync_folder(const fs::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail_errno("cannot open", folder);
  const int code = fsync(descriptor);
  close(descriptor);
  if (code != 0 && errno != EINVAL) fail_errno("cannot sync", folder);
}

std::uint32_t crc32_of(std::span<const std::byte> bytes, std::uint32_t seed) {
  return static_cast<std::uint32_t>(crc32_z(seed, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::uint32_t crc32_joined(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes) {
  if (second_bytes == 0) return first;  // zlib's own answer to this differs between its versions
  return static_cast<std::uint32_t>(crc32_combine(first, second, static_cast<z_off_t>(second_bytes)));
}

std::uint32_t crc32_of_file(const fs::path& path, const std::function<void(std::size_t)>& heard) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file) fail_errno("cannot open", path);
  std::setvbuf(file.get(), nullptr, _IONBF, 0);
  std::vector<std::byte> piece(kPiece);
  std::uint32_t crc = 0;
  for (;;) {
    const std::size_t got = std::fread(piece.data(), 1, kPiece, file.get());
    if (std::ferror(file.get()) != 0) fail_errno("cannot read", path, "is the disk failing?");
    if (got == 0) return crc;
    crc = crc32_of(std::span(piece).first(got), crc);
    if (heard) heard(got);
  }
}

}  // namespace polymoe
