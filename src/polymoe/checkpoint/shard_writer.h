#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

/// Writing one file by several processes at once. Internal to this folder.
namespace polymoe {

/// Makes a file of `bytes` bytes, for ShardWriters to fill. Throws Error when it cannot.
void create_shard(const std::filesystem::path& path, std::uint64_t bytes);

/// Writes one process's pieces of a file to which other processes write the rest.
class ShardWriter {
 public:
  /// Throws Error when create_shard() has not made the file, or where this process does not see it.
  explicit ShardWriter(const std::filesystem::path& path);
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  /// Pieces come in the order of their offsets. Throws Error (full disk, say) with the path.
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  /// Makes what was written durable.
  void sync();

  /// This process's share of the CRC-32 of the whole file of `file_bytes` bytes: that of the file is all shares XORed.
  /// It speaks of the bytes as they were in memory; nothing is read back.
  std::uint32_t checksum_share(std::uint64_t file_bytes) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  // CRC-32 is linear: joining A and B shifts the CRC of A by the length of B and XORs that of B. So each piece's CRC,
  // shifted by all bytes that follow it in the file, can be XORed in whatever order the pieces come to be.
  std::uint32_t crc_ = 0;
  std::uint64_t end_ = 0;  // of the last piece; crc_ is shifted up to here
};

}  // namespace polymoe
