#include "text/corpus_writer.h"

#include <array>

#include <zlib.h>

#include "base/error.h"

namespace polymoe {

struct GzipLineWriter::Stream {
  z_stream z = {};

  Stream() {
    constexpr int kWindowBits = 15, kGzip = 16, kMemoryLevel = 8;
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kWindowBits + kGzip, kMemoryLevel, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
      throw Error("cannot start compression: not enough memory");
    }
  }
  ~Stream() { deflateEnd(&z); }
};

GzipLineWriter::GzipLineWriter(const std::filesystem::path& path) : file_(path), stream_(std::make_unique<Stream>()) {}

GzipLineWriter::~GzipLineWriter() = default;

void GzipLineWriter::write(std::string_view line) {
  constexpr std::size_t kPendingBytes = std::size_t{1} << 16;
  pending_ += line;
  pending_ += '\n';
  if (pending_.size() >= kPendingBytes) compress(false);
}

void GzipLineWriter::compress(bool finish) {
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(pending_.data());
  z.avail_in = static_cast<uInt>(pending_.size());
  std::array<char, 1 << 16> buffer;
  do {
    z.next_out = reinterpret_cast<Bytef*>(buffer.data());
    z.avail_out = buffer.size();
    deflate(&z, finish ? Z_FINISH : Z_NO_FLUSH);
    file_.write(std::string_view(buffer.data(), buffer.size() - z.avail_out));
  } while (z.avail_out == 0);
  pending_.clear();
}

void GzipLineWriter::commit() {
  compress(true);
  file_.commit();
}

std::string corpus_file_name(std::string_view split, std::string_view language) {
  return fmt::format("{}.{}.gz", split, language);
}

}  // namespace polymoe
