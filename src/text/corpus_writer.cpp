#include "text/corpus_writer.h"

#include <utility>

#include <zlib.h>

#include "base/error.h"

namespace polymoe {

GzipLineWriter::GzipLineWriter(const std::filesystem::path& path) : path_(path), file_(gzopen(path.c_str(), "wb")) {
  if (file_ == nullptr) fail_errno("cannot create", path_);
}

GzipLineWriter::~GzipLineWriter() {
  if (file_ != nullptr) gzclose(static_cast<gzFile>(file_));
}

void GzipLineWriter::write(std::string_view line) {
  constexpr std::size_t kPendingBytes = std::size_t{1} << 16;
  pending_ += line;
  pending_ += '\n';
  if (pending_.size() >= kPendingBytes) flush();
}

void GzipLineWriter::flush() {
  const auto size = static_cast<unsigned>(pending_.size());
  if (size > 0 && gzwrite(static_cast<gzFile>(file_), pending_.data(), size) == 0) {
    fail_errno("cannot write", path_, "is the disk full?");
  }
  pending_.clear();
}

void GzipLineWriter::close() {
  flush();
  if (gzclose(static_cast<gzFile>(std::exchange(file_, nullptr))) != Z_OK) {
    fail_errno("cannot write", path_, "is the disk full?");
  }
}

std::string corpus_file_name(std::string_view split, std::string_view language) {
  return fmt::format("{}.{}.gz", split, language);
}

}  // namespace polymoe
