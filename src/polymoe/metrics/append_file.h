#pragma once

#include <filesystem>
#include <string_view>

namespace polymoe {

/// A file that grows by whole records: an append that fails half-way (full disk) is taken back.
class AppendFile {
 public:
  /// Opens or creates `path`. Throws Error when that fails.
  explicit AppendFile(std::filesystem::path path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  /// Hands the bytes to the operating system, so that they outlive this process. Throws Error when it cannot take them.
  void append(std::string_view record);
  /// Cuts the file down to `size` bytes.
  void truncate(std::uintmax_t size);
  /// Opens the file of the same path again, after another one took its name.
  void reopen();

  const std::filesystem::path& path() const { return path_; }

 private:
  void close_file();

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace polymoe
