#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace polymoe {

class ListedPartial;

/// Reads a text file line by line; gzip files are recognised by their content and unpacked on the way.
class LineReader {
 public:
  /// "-" reads standard input. Throws Error when the file cannot be opened.
  explicit LineReader(const std::string& path, std::size_t max_line_bytes = std::size_t{1} << 20);
  ~LineReader();
  LineReader(LineReader&&) noexcept;

  /// Reads the next line, without its line end ("\n" or "\r\n"), into `line`; the first one also without the
  /// byte-order mark that some programs put before UTF-8. False at the end of the file.
  /// Throws Error with file and line for a line over max_line_bytes, a damaged gzip stream, bytes behind it that are no
  /// gzip, or a read error. Of a pipe no more is waited for than the line needs.
  bool next(std::string& line);

  /// Some of the unpacked text at the beginning of the file, before the first next(): as much as one read gives, so
  /// that a pipe, which cannot be read twice, can be looked at as well. Empty for an empty file.
  std::string_view beginning();

  /// The number of the line that next() gave last, from 1.
  std::uint64_t line_number() const;
  const std::string& path() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes a file so that it appears whole or not at all: to a temporary name beside it, synced, then renamed.
/// Dropped without commit(), the temporary file is removed and an older file of that name is untouched. What killed
/// processes left under such temporary names goes when the next one begins.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends bytes. Throws Error (full disk, say) with the path.
  void write(std::string_view bytes);
  void write(std::span<const std::byte> bytes);
  /// Overwrites bytes already written, e.g. a header whose numbers are known at the end.
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  std::uint64_t size() const { return size_; }
  /// Syncs and renames. Nothing may be written after it.
  void commit();

 private:
  void flush();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::unique_ptr<ListedPartial> listed_;
  std::string buffer_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;
};

/// A read-only memory map of a whole file. An empty file maps to an empty span. Reading a part that the file has lost
/// since raises SIGBUS; mapped_file_at() then tells which file it was.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// Gives back the memory that whole pages of `part`, some of bytes(), hold once they were read. They may be read
  /// again.
  void release(std::span<const std::byte> part) const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// The file that is mapped at an address; "" for none. For handlers of SIGBUS: it allocates nothing.
const char* mapped_file_at(const void* address) noexcept;

/// The whole content of a small file. Throws Error when it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// Writes a small file whole or not at all.
void write_file(const std::filesystem::path& path, std::string_view content);

/// Makes the entries of a folder durable (fsync of the folder).
void sync_folder(const std::filesystem::path& folder);

/// CRC-32 (the one of zlib and PNG) of `bytes`, continued from `seed`.
std::uint32_t crc32_of(std::span<const std::byte> bytes, std::uint32_t seed = 0);

/// The CRC-32 of two sequences of bytes, one after the other, from the CRC-32 of each and the length of the second.
std::uint32_t crc32_joined(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes);

/// The CRC-32 of a file, which is read piece by piece. `heard` (may be empty) is told the size of each piece.
/// Throws Error when the file cannot be read.
std::uint32_t crc32_of_file(const std::filesystem::path& path, const std::function<void(std::size_t)>& heard = {});

}  // namespace polymoe
