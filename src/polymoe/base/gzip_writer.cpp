#include "polymoe/base/gzip_writer.h"

#include <array>

#include <zlib.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"

namespace polymoe {

struct GzipWriter::State {
  explicit State(const std::filesystem::path& path) : file(path) {
    constexpr int kWindowBits = 15 + 16;  // + 16: a gzip header, without name and time
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kWindowBits, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw Error("cannot start gzip compression", {path, 0});
    }
  }
  ~State() { deflateEnd(&stream); }

  void deflate_into_file(std::string_view text, int flush) {
    std::array<char, std::size_t{1} << 16> packed;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib only reads it
    stream.avail_in = static_cast<uInt>(text.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(packed.data());
      stream.avail_out = static_cast<uInt>(packed.size());
      deflate(&stream, flush);
      file.write(std::string_view(packed.data(), packed.size() - stream.avail_out));
    } while (stream.avail_out == 0);
  }

  AtomicFile file;
  z_stream stream{};
};

GzipWriter::GzipWriter(const std::filesystem::path& path) : state_(std::make_unique<State>(path)) {}
GzipWriter::~GzipWriter() = default;
GzipWriter::GzipWriter(GzipWriter&&) noexcept = default;

void GzipWriter::write(std::string_view text) {
  constexpr std::size_t kMost = std::size_t{1} << 30;  // zlib counts in 32 bits
  for (; text.size() > kMost; text.remove_prefix(kMost)) state_->deflate_into_file(text.substr(0, kMost), Z_NO_FLUSH);
  state_->deflate_into_file(text, Z_NO_FLUSH);
}

void GzipWriter::commit() {
  state_->deflate_into_file({}, Z_FINISH);
  state_->file.commit();
}

}  // namespace polymoe
