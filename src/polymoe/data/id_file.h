#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

#include "polymoe/base/files.h"

namespace polymoe {

/// The ids of all lines of one language: a header, the ids (16 bits each where the vocabulary allows, else 32), then
/// `lines + 1` offsets. docs/data.md has the layout byte by byte. Mapped into memory and checked when opened.
class IdFile {
 public:
  /// Throws Error when the file is truncated, no such file, of another version or byte order, for another
  /// vocabulary size, or when its offsets are damaged.
  IdFile(const std::filesystem::path& path, std::int32_t vocabulary_size);

  std::uint64_t lines() const { return offsets_.size() - 1; }
  std::uint64_t tokens() const { return offsets_.back(); }
  /// Number of ids of a line; 0: the language lacks this line.
  std::uint64_t length(std::uint64_t line) const { return offsets_[line + 1] - offsets_[line]; }
  /// Appends the ids of a line. Throws Error for an id outside the vocabulary.
  void read(std::uint64_t line, std::vector<std::int32_t>& ids) const;

  /// Compares all ids with their checksum. Throws Error.
  void verify() const;
  /// Checksum of the header, and with it of everything in the file.
  std::uint32_t checksum() const { return checksum_; }

 private:
  std::filesystem::path path_;
  MappedFile file_;
  const std::byte* ids_ = nullptr;
  std::uint32_t id_bytes_ = 0;
  std::int32_t vocabulary_size_ = 0;
  std::uint32_t checksum_ = 0;
  std::uint32_t ids_checksum_ = 0;
  std::span<const std::uint64_t> offsets_;
};

/// Writes such a file line by line, in memory that does not grow with it.
class IdFileWriter {
 public:
  IdFileWriter(const std::filesystem::path& path, std::int32_t vocabulary_size);
  ~IdFileWriter();
  IdFileWriter(const IdFileWriter&) = delete;
  IdFileWriter& operator=(const IdFileWriter&) = delete;
  /// Appends one line; an empty one means that the language lacks it.
  void add(std::span<const std::int32_t> ids);
  void commit();

 private:
  void add_offset();

  std::filesystem::path offsets_path_;  // offsets wait in a file of their own until the ids before them are written
  AtomicFile file_;
  std::ofstream offsets_;
  std::int32_t vocabulary_size_ = 0;
  std::uint64_t lines_ = 0;
  std::uint64_t tokens_ = 0;
  std::uint32_t ids_checksum_ = 0;
  std::vector<std::uint16_t> narrow_;
};

}  // namespace polymoe
