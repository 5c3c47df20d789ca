#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The safetensors file format: 8 bytes little-endian header length, a JSON header that gives each tensor's element
/// type, shape and byte range, then the tensors' bytes (little-endian, row-major) without gaps.
/// https://huggingface.co/docs/safetensors
namespace polymoe {

namespace safetensors {
/// The size of the field in front of the header.
inline constexpr std::uint64_t kLengthBytes = 8;
/// The limit of the reference implementation: other tools refuse longer headers.
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
/// The header's key that is no tensor.
inline constexpr std::string_view kMetadataKey = "__metadata__";
}  // namespace safetensors

/// The element types that safetensors and this project share.
enum class Dtype : std::uint8_t { kF64, kF32, kF16, kBF16, kI64, kI32, kI8, kU8, kBool };

/// The name in the header, e.g. "BF16".
std::string_view dtype_name(Dtype dtype);
/// The size of one element.
std::size_t dtype_bytes(Dtype dtype);
/// Reads a name such as "BF16". False for a name that is none of Dtype's.
bool parse_dtype(std::string_view name, Dtype& dtype);

/// What a tensor looks like, without its values.
struct TensorSpec {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;  ///< empty: one element; sizes may be 0

  bool operator==(const TensorSpec&) const = default;
};

/// The bytes that a tensor of this kind takes. Throws Error for negative or absurd sizes.
std::uint64_t tensor_bytes(const TensorSpec& spec);
/// Its elements. Throws Error likewise.
std::int64_t num_elements(const TensorSpec& spec);

/// Strings that a file carries beside its tensors (`__metadata__`).
using SafetensorsMetadata = std::map<std::string, std::string>;

/// A safetensors file, mapped into memory. Everything the header claims is checked on opening.
class SafetensorsFile {
 public:
  /// Throws Error with the path for a file that cannot be read or is not well-formed: cut short, a bad header, unknown
  /// element types, sizes that do not fit the byte ranges, ranges that overlap or leave gaps, names given twice.
  explicit SafetensorsFile(const std::filesystem::path& path);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;

  /// In the order of their bytes.
  const std::vector<TensorSpec>& tensors() const;
  const SafetensorsMetadata& metadata() const;

  /// Null when there is no tensor of that name.
  const TensorSpec* find(std::string_view name) const;
  /// The bytes of a tensor; valid as long as this object. They need not be aligned to the element type: files of other
  /// writers may hold anything in front. Throws Error when there is no tensor of that name.
  std::span<const std::byte> bytes(std::string_view name) const;
  /// Gives back the memory that bytes(name) held while they were read; they may be read again.
  void release(std::string_view name) const;
  /// The whole file, header included.
  std::span<const std::byte> file_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Where everything lies in a safetensors file: known from what the tensors look like, before there are any values, so
/// that several processes can write one file at the same time.
struct SafetensorsLayout {
  std::string header;                  ///< the first bytes of the file: length field and JSON, padded
  std::vector<TensorSpec> tensors;     ///< in the order of their bytes
  std::vector<std::uint64_t> offsets;  ///< of each tensor's first byte, from the beginning of the file
  std::uint64_t file_bytes = 0;
};

/// Lays tensors out: larger element types first, else in the order given, so that each one is aligned.
/// Throws Error for names that are given twice, are reserved, or are not UTF-8, and for impossible shapes.
SafetensorsLayout lay_out_safetensors(std::vector<TensorSpec> tensors, const SafetensorsMetadata& metadata = {});

}  // namespace polymoe
