#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "checkpoint/safetensors.h"

namespace polymoe {
namespace {

using nlohmann::json;

/// The tensors of our own files begin at a multiple of a cache line.
constexpr std::uint64_t kDataAlignment = 64;

/// The length field and the header, padded with spaces so that the tensors begin aligned.
std::string make_header(const std::vector<TensorSpec>& tensors, const SafetensorsMetadata& metadata,
                        const std::filesystem::path& path) {
  json header = json::object();
  if (!metadata.empty()) header[std::string(safetensors::kMetadataKey)] = metadata;
  std::uint64_t offset = 0;
  for (const TensorSpec& spec : tensors) {
    if (spec.name == safetensors::kMetadataKey) throw Error("a tensor cannot be named __metadata__", {path, 0});
    if (find_bad_utf8(spec.name) != std::string_view::npos) {
      throw Error("the tensor name " + in_quotes(spec.name) + " is not UTF-8", {path, 0});
    }
    const std::uint64_t end = offset + tensor_bytes(spec);
    const json entry = {{"dtype", dtype_name(spec.dtype)}, {"shape", spec.shape}, {"data_offsets", {offset, end}}};
    if (!header.emplace(spec.name, entry).second) {
      throw Error("two tensors are named " + in_quotes(spec.name), {path, 0});
    }
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception&) {
    throw Error("the metadata are not UTF-8", {path, 0});
  }
  text.append((kDataAlignment - (safetensors::kLengthBytes + text.size()) % kDataAlignment) % kDataAlignment, ' ');
  if (text.size() > safetensors::kMaxHeaderBytes)
    throw Error("too many tensors for one file", {path, 0}, "use smaller shards");
  const std::uint64_t length = text.size();
  std::string result(safetensors::kLengthBytes, '\0');
  std::memcpy(result.data(), &length, safetensors::kLengthBytes);
  return result + text;
}

}  // namespace

struct SafetensorsWriter::State {
  State(std::filesystem::path file_path, std::vector<TensorSpec> specs, const SafetensorsMetadata& metadata)
      : path(std::move(file_path)), tensors(std::move(specs)) {
    std::stable_sort(tensors.begin(), tensors.end(), [](const TensorSpec& a, const TensorSpec& b) {
      return dtype_bytes(a.dtype) > dtype_bytes(b.dtype);
    });
    const std::string header = make_header(tensors, metadata, path);
    file.emplace(path);
    append(std::as_bytes(std::span(header)));
  }

  /// In pieces, because AtomicFile buffers what it is given.
  void append(std::span<const std::byte> bytes) {
    constexpr std::size_t kPiece = std::size_t{1} << 20;
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min(kPiece, bytes.size()));
      crc = crc32_of(piece, crc);
      file->write(piece);
      bytes = bytes.subspan(piece.size());
    }
  }

  /// The tensor whose bytes are written now; past the end when all are.
  void next_tensor() {
    ++current;
    missing = current < tensors.size() ? tensor_bytes(tensors[current]) : 0;
  }

  std::filesystem::path path;
  std::vector<TensorSpec> tensors;
  std::optional<AtomicFile> file;
  std::size_t current = 0;
  std::uint64_t missing = 0;  // bytes of the current tensor
  std::uint32_t crc = 0;
};

SafetensorsWriter::SafetensorsWriter(std::filesystem::path path, std::vector<TensorSpec> tensors,
                                     const SafetensorsMetadata& metadata)
    : state_(std::make_unique<State>(std::move(path), std::move(tensors), metadata)) {
  if (!state_->tensors.empty()) state_->missing = tensor_bytes(state_->tensors.front());
}
SafetensorsWriter::~SafetensorsWriter() = default;
SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&&) noexcept = default;

const std::vector<TensorSpec>& SafetensorsWriter::tensors() const { return state_->tensors; }

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  State& s = *state_;
  while (s.current < s.tensors.size() && s.missing == 0 && s.tensors[s.current].name != name) s.next_tensor();
  if (s.current == s.tensors.size() || s.tensors[s.current].name != name) {
    throw Error("tensor " + in_quotes(name) + " is not the next to be written", {s.path, 0});
  }
  if (bytes.size() > s.missing) throw Error("too many bytes for tensor " + in_quotes(name), {s.path, 0});
  s.append(bytes);
  s.missing -= bytes.size();
}

void SafetensorsWriter::commit() {
  State& s = *state_;
  while (s.current < s.tensors.size() && s.missing == 0) s.next_tensor();
  if (s.current < s.tensors.size()) {
    throw Error("bytes of tensor " + in_quotes(s.tensors[s.current].name) + " are missing", {s.path, 0});
  }
  s.file->commit();
}

std::uint64_t SafetensorsWriter::size() const { return state_->file->size(); }
std::uint32_t SafetensorsWriter::crc32() const { return state_->crc; }

}  // namespace polymoe
