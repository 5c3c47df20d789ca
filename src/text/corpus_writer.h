#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/files.h"

namespace polymoe {

/// Writes a gzip-compressed text file whole or not at all. The same lines always give the same bytes.
class GzipLineWriter {
 public:
  explicit GzipLineWriter(const std::filesystem::path& path);
  ~GzipLineWriter();
  GzipLineWriter(const GzipLineWriter&) = delete;
  GzipLineWriter& operator=(const GzipLineWriter&) = delete;

  /// Appends a line; it must hold no line end.
  void write(std::string_view line);
  void commit();

 private:
  struct Stream;

  void compress(bool finish);

  AtomicFile file_;
  std::unique_ptr<Stream> stream_;
  std::string pending_;
};

/// The name of a file of a corpus folder: "train.de.gz".
std::string corpus_file_name(std::string_view split, std::string_view language);

}  // namespace polymoe
