#include "polymoe/data/id_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

constexpr char kMagic[8] = {'p', 'm', 'o', 'e', '-', 'i', 'd', 's'};
constexpr std::uint32_t kVersion = 1;
const char* const kNewDataset = "make the dataset anew with `polymoe prepare`";

/// The first 64 bytes of a file. Numbers are little-endian.
struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t id_bytes;  // 2 or 4
  std::uint64_t lines;
  std::uint64_t tokens;
  std::int32_t vocabulary_size;
  std::uint32_t ids_checksum;
  std::uint32_t offsets_checksum;
  std::uint32_t reserved[4];
  std::uint32_t header_checksum;  // CRC-32 of the bytes before it
};
static_assert(sizeof(Header) == 64);

std::uint32_t checksum_of(const Header& header) {
  return crc32_of(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, header_checksum)));
}

std::uint32_t id_bytes_for(std::int32_t vocabulary_size) {
  return vocabulary_size <= std::numeric_limits<std::uint16_t>::max() + 1 ? 2 : 4;
}

/// Bytes of the ids with the padding that puts the offsets on a multiple of 8.
std::uint64_t padded(std::uint64_t bytes) { return (bytes + 7) / 8 * 8; }

}  // namespace

IdFile::IdFile(const std::filesystem::path& path, std::int32_t vocabulary_size)
    : path_(path), file_(path), vocabulary_size_(vocabulary_size) {
  const auto damaged = [&](const std::string& what) { throw Error(what, {path_, 0}, kNewDataset); };
  const std::span<const std::byte> bytes = file_.bytes();
  if (bytes.size() < sizeof(Header)) damaged("too short for an id file");
  Header header;
  std::memcpy(&header, bytes.data(), sizeof(Header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) damaged("not an id file");
  if (header.version != kVersion) damaged(fmt::format("version {} of the format, not {}", header.version, kVersion));
  if (header.header_checksum != checksum_of(header)) damaged("the header is damaged");
  if (header.vocabulary_size != vocabulary_size) {
    damaged(fmt::format("made for {} ids, but the vocabulary has {}", header.vocabulary_size, vocabulary_size));
  }
  if (header.id_bytes != id_bytes_for(vocabulary_size)) damaged(fmt::format("ids of {} bytes", header.id_bytes));

  // The counts are checked against the size before they are multiplied, so that none of it can overflow.
  const std::uint64_t body = bytes.size() - sizeof(Header);
  if (header.tokens > body / header.id_bytes || header.lines >= body / sizeof(std::uint64_t) ||
      body != padded(header.tokens * header.id_bytes) + (header.lines + 1) * sizeof(std::uint64_t)) {
    damaged(fmt::format("{} bytes do not hold {} lines with {} ids; the file is cut off or was added to", bytes.size(),
                        header.lines, header.tokens));
  }
  ids_ = bytes.data() + sizeof(Header);
  const std::byte* offsets = ids_ + padded(header.tokens * header.id_bytes);
  offsets_ = {reinterpret_cast<const std::uint64_t*>(offsets), header.lines + 1};
  if (crc32_of(std::as_bytes(offsets_)) != header.offsets_checksum || offsets_.front() != 0 ||
      offsets_.back() != header.tokens || !std::is_sorted(offsets_.begin(), offsets_.end())) {
    damaged("the offsets are damaged");
  }
  id_bytes_ = header.id_bytes;
  ids_checksum_ = header.ids_checksum;
  checksum_ = header.header_checksum;
}

void IdFile::read(std::uint64_t line, std::vector<std::int32_t>& ids) const {
  const std::uint64_t begin = offsets_[line];
  const std::size_t count = length(line);
  const std::size_t old_size = ids.size();
  ids.resize(old_size + count);
  std::int32_t* out = ids.data() + old_size;
  if (id_bytes_ == 2) {
    std::copy_n(reinterpret_cast<const std::uint16_t*>(ids_) + begin, count, out);
  } else {
    std::copy_n(reinterpret_cast<const std::int32_t*>(ids_) + begin, count, out);
  }
  // An id beyond the embedding table must not reach the model, wherever it came from.
  const bool inside = std::all_of(out, out + count, [&](std::int32_t id) { return id >= 0 && id < vocabulary_size_; });
  if (!inside) throw Error("an id outside the vocabulary", {path_, line + 1}, kNewDataset);
}

void IdFile::verify() const {
  if (crc32_of({ids_, tokens() * id_bytes_}) != ids_checksum_)
    throw Error("the ids are damaged", {path_, 0}, kNewDataset);
}

IdFileWriter::IdFileWriter(const std::filesystem::path& path, std::int32_t vocabulary_size)
    : offsets_path_(path.string() + ".offsets"),
      file_(path),
      offsets_(offsets_path_, std::ios::binary | std::ios::trunc),
      vocabulary_size_(vocabulary_size) {
  const Header empty{};
  file_.write(std::as_bytes(std::span(&empty, 1)));
  add_offset();
}

IdFileWriter::~IdFileWriter() {
  std::error_code ignored;
  std::filesystem::remove(offsets_path_, ignored);
}

void IdFileWriter::add_offset() {
  offsets_.write(reinterpret_cast<const char*>(&tokens_), sizeof(tokens_));
  if (!offsets_) fail_errno("cannot write", offsets_path_, "is the disk full?");
}

void IdFileWriter::add(std::span<const std::int32_t> ids) {
  std::span<const std::byte> bytes = std::as_bytes(ids);
  if (id_bytes_for(vocabulary_size_) == 2) {
    narrow_.assign(ids.begin(), ids.end());
    bytes = std::as_bytes(std::span<const std::uint16_t>(narrow_));
  }
  file_.write(bytes);
  ids_checksum_ = crc32_of(bytes, ids_checksum_);
  ++lines_;
  tokens_ += ids.size();
  add_offset();
}

void IdFileWriter::commit() {
  offsets_.close();
  if (!offsets_) fail_errno("cannot write", offsets_path_, "is the disk full?");
  const std::array<std::byte, 8> zeros{};
  file_.write(std::span(zeros).first(padded(file_.size()) - file_.size()));
  Header header{};
  const MappedFile offsets(offsets_path_);
  header.offsets_checksum = crc32_of(offsets.bytes());
  constexpr std::size_t kChunk = std::size_t{1} << 20;
  for (std::size_t at = 0; at < offsets.bytes().size(); at += kChunk) {
    file_.write(offsets.bytes().subspan(at, std::min(kChunk, offsets.bytes().size() - at)));
  }
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kVersion;
  header.id_bytes = id_bytes_for(vocabulary_size_);
  header.lines = lines_;
  header.tokens = tokens_;
  header.vocabulary_size = vocabulary_size_;
  header.ids_checksum = ids_checksum_;
  header.header_checksum = checksum_of(header);
  file_.write_at(0, std::as_bytes(std::span(&header, 1)));
  file_.commit();
}

}  // namespace polymoe
