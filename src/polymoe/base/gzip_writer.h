#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

namespace polymoe {

/// Writes a gzip file that appears whole or not at all (see AtomicFile). The same text gives the same bytes.
class GzipWriter {
 public:
  explicit GzipWriter(const std::filesystem::path& path);
  ~GzipWriter();
  GzipWriter(GzipWriter&&) noexcept;

  /// Appends text. Throws Error (full disk, say) with the path.
  void write(std::string_view text);
  /// Ends the stream, syncs and renames. Nothing may be written after it.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polymoe
