#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace polymoe {

/// Writes a gzip-compressed text file line by line. The same lines always give the same bytes. Not safe against a crash
/// by itself: for files inside an AtomicFolder.
class GzipLineWriter {
 public:
  explicit GzipLineWriter(const std::filesystem::path& path);
  ~GzipLineWriter();
  GzipLineWriter(const GzipLineWriter&) = delete;
  GzipLineWriter& operator=(const GzipLineWriter&) = delete;

  /// Appends a line; it must hold no line end. Throws Error when the disk is full.
  void write(std::string_view line);
  /// Finishes the file. Throws Error when the disk is full.
  void close();

 private:
  void flush();

  std::filesystem::path path_;
  void* file_ = nullptr;  // gzFile
  std::string pending_;
};

/// The name of a file of a corpus folder: "train.de.gz".
std::string corpus_file_name(std::string_view split, std::string_view language);

}  // namespace polymoe
