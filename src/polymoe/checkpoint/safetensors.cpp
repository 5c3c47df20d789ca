#include "polymoe/checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/quote.h"

namespace polymoe {

using nlohmann::json;
static_assert(std::endian::native == std::endian::little, "safetensors bytes are used as they lie in memory");

namespace {

struct DtypeEntry {
  Dtype dtype;
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array<DtypeEntry, 9> kDtypes = {{{Dtype::kF64, "F64", 8},
                                                {Dtype::kF32, "F32", 4},
                                                {Dtype::kF16, "F16", 2},
                                                {Dtype::kBF16, "BF16", 2},
                                                {Dtype::kI64, "I64", 8},
                                                {Dtype::kI32, "I32", 4},
                                                {Dtype::kI8, "I8", 1},
                                                {Dtype::kU8, "U8", 1},
                                                {Dtype::kBool, "BOOL", 1}}};

/// Elements x size, or nothing where a size is negative or the product of the non-zero sizes passes 2^63.
std::optional<std::uint64_t> checked_bytes(const TensorSpec& spec) {
  std::int64_t bytes = static_cast<std::int64_t>(dtype_bytes(spec.dtype));
  bool empty = false;
  for (const std::int64_t size : spec.shape) {
    if (size < 0) return std::nullopt;
    empty |= size == 0;
    if (size > 0 && __builtin_mul_overflow(bytes, size, &bytes)) return std::nullopt;
  }
  return empty ? 0 : static_cast<std::uint64_t>(bytes);
}

struct Entry {
  TensorSpec spec;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Reads the header and holds each of its claims against the file.
class HeaderReader {
 public:
  HeaderReader(const std::filesystem::path& path, std::span<const std::byte> file) : path_(path), file_(file) {}

  /// Returns the tensors in the order of their bytes, and the offset of the first byte after the header.
  std::pair<std::vector<Entry>, std::uint64_t> read(SafetensorsMetadata& metadata) const {
    const std::uint64_t data_begin = safetensors::kLengthBytes + header_bytes();
    const json header = parse(file_.subspan(safetensors::kLengthBytes, data_begin - safetensors::kLengthBytes));
    std::vector<Entry> entries;
    for (const auto& [name, value] : header.items()) {
      if (name == safetensors::kMetadataKey) {
        read_metadata(value, metadata);
      } else {
        entries.push_back(read_entry(name, value));
      }
    }
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
    check_ranges(entries, file_.size() - data_begin);
    return {std::move(entries), data_begin};
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    throw Error("not a whole safetensors file: " + what, {path_, 0}, "copy or download it again");
  }

  std::uint64_t header_bytes() const {
    if (file_.size() < safetensors::kLengthBytes) bad(fmt::format("only {} bytes long", file_.size()));
    std::uint64_t length = 0;
    std::memcpy(&length, file_.data(), safetensors::kLengthBytes);
    if (length > safetensors::kMaxHeaderBytes)
      bad(fmt::format("its header claims {} bytes, over the limit of the format", length));
    if (length > file_.size() - safetensors::kLengthBytes)
      bad(fmt::format("its header of {} bytes is cut short", length));
    return length;
  }

  json parse(std::span<const std::byte> text) const {
    // A JSON object may legally repeat a key, and the parser would keep one of the values: refuse that.
    std::array<std::unordered_set<std::string>, 4> seen;
    const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
      if (depth >= static_cast<int>(seen.size())) bad("its header is nested too deeply");
      const auto level = static_cast<std::size_t>(depth);
      if (event == json::parse_event_t::object_start && level + 1 < seen.size()) seen[level + 1].clear();
      if (event == json::parse_event_t::key && !seen[level].insert(parsed.get<std::string>()).second) {
        bad("its header gives the name " + in_quotes(parsed.get<std::string>()) + " twice");
      }
      return true;
    };
    const char* const begin = reinterpret_cast<const char*>(text.data());
    if (text.empty() || *begin != '{') bad("its header is not a JSON object");
    try {
      return json::parse(begin, begin + text.size(), check);
    } catch (const json::parse_error& error) {
      bad(fmt::format("its header is not JSON at byte {}", error.byte));
    } catch (const json::exception&) {
      bad("its header holds a number that is out of range");
    }
  }

  void read_metadata(const json& value, SafetensorsMetadata& metadata) const {
    if (!value.is_object()) bad("its __metadata__ is not an object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) bad("its __metadata__ " + in_quotes(key) + " is not a string");
      metadata.emplace(key, text.get<std::string>());
    }
  }

  Entry read_entry(const std::string& name, const json& value) const {
    const auto field = [&](const char* key) -> const json& {
      const auto found = value.is_object() ? value.find(key) : value.end();
      if (found == value.end()) bad(fmt::format("tensor {} has no {}", in_quotes(name), key));
      return *found;
    };
    Entry entry;
    entry.spec.name = name;
    const json& dtype = field("dtype");
    if (!dtype.is_string() || !parse_dtype(dtype.get<std::string>(), entry.spec.dtype)) {
      std::vector<std::string_view> names;
      for (const DtypeEntry& known : kDtypes) names.push_back(known.name);
      throw Error(fmt::format("tensor {} has the element type {}", in_quotes(name), dump_json(dtype)), {path_, 0},
                  fmt::format("convert it to one of {}", fmt::join(names, ", ")));
    }
    const json& shape = field("shape");
    if (!shape.is_array()) bad(fmt::format("the shape of tensor {} is not a list", in_quotes(name)));
    for (const json& size : shape) {
      if (!size.is_number_unsigned() || size.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
        bad(fmt::format("the shape of tensor {} holds {}", in_quotes(name), dump_json(size)));
      }
      entry.spec.shape.push_back(size.get<std::int64_t>());
    }
    const json& range = field("data_offsets");
    if (!range.is_array() || range.size() != 2 || !range[0].is_number_unsigned() || !range[1].is_number_unsigned()) {
      bad(fmt::format("the byte range of tensor {} is not a pair of offsets", in_quotes(name)));
    }
    entry.begin = range[0].get<std::uint64_t>();
    entry.end = range[1].get<std::uint64_t>();
    const std::optional<std::uint64_t> bytes = checked_bytes(entry.spec);
    if (!bytes || entry.end < entry.begin || entry.end - entry.begin != *bytes) {
      bad(fmt::format("the byte range of tensor {} does not fit its shape", in_quotes(name)));
    }
    return entry;
  }

  void check_ranges(const std::vector<Entry>& entries, std::uint64_t data_bytes) const {
    std::uint64_t expected = 0;
    for (const Entry& entry : entries) {
      if (entry.begin < expected) bad("tensor " + in_quotes(entry.spec.name) + " overlaps the one before it");
      if (entry.begin > expected) bad("there is a gap before tensor " + in_quotes(entry.spec.name));
      expected = entry.end;
    }
    if (expected > data_bytes)
      bad(fmt::format("{} of {} bytes of tensors are missing", expected - data_bytes, expected));
    if (expected < data_bytes) bad(fmt::format("{} bytes after the last tensor", data_bytes - expected));
  }

  const std::filesystem::path& path_;
  std::span<const std::byte> file_;
};

}  // namespace

// Element types -------------------------------------------------------------------------------------------------------

std::string_view dtype_name(Dtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)].name; }

std::size_t dtype_bytes(Dtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)].bytes; }

bool parse_dtype(std::string_view name, Dtype& dtype) {
  for (const DtypeEntry& entry : kDtypes) {
    if (entry.name != name) continue;
    dtype = entry.dtype;
    return true;
  }
  return false;
}

std::uint64_t tensor_bytes(const TensorSpec& spec) {
  const std::optional<std::uint64_t> bytes = checked_bytes(spec);
  if (!bytes) fail("tensor {} has an impossible shape [{}]", in_quotes(spec.name), fmt::join(spec.shape, ", "));
  return *bytes;
}

std::int64_t num_elements(const TensorSpec& spec) {
  return static_cast<std::int64_t>(tensor_bytes(spec) / dtype_bytes(spec.dtype));
}

// SafetensorsFile -----------------------------------------------------------------------------------------------------

struct SafetensorsFile::State {
  explicit State(const std::filesystem::path& file_path) : path(file_path), file(file_path) {
    auto [entries, begin] = HeaderReader(path, file.bytes()).read(metadata);
    tensors.reserve(entries.size());
    for (Entry& entry : entries) {
      tensors.push_back(std::move(entry.spec));
      bytes.push_back(file.bytes().subspan(begin + entry.begin, entry.end - entry.begin));
      index.emplace(tensors.back().name, tensors.size() - 1);
    }
  }

  std::filesystem::path path;
  MappedFile file;
  SafetensorsMetadata metadata;
  std::vector<TensorSpec> tensors;
  std::vector<std::span<const std::byte>> bytes;            // of each tensor
  std::unordered_map<std::string_view, std::size_t> index;  // into `tensors`, whose names it refers to
};

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : state_(std::make_unique<State>(path)) {}
SafetensorsFile::~SafetensorsFile() = default;
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;

const std::vector<TensorSpec>& SafetensorsFile::tensors() const { return state_->tensors; }
const SafetensorsMetadata& SafetensorsFile::metadata() const { return state_->metadata; }

const TensorSpec* SafetensorsFile::find(std::string_view name) const {
  const auto found = state_->index.find(name);
  return found == state_->index.end() ? nullptr : &state_->tensors[found->second];
}

std::span<const std::byte> SafetensorsFile::bytes(std::string_view name) const {
  const auto found = state_->index.find(name);
  if (found == state_->index.end()) throw Error("holds no tensor " + in_quotes(name), {state_->path, 0});
  return state_->bytes[found->second];
}

void SafetensorsFile::release(std::string_view name) const { state_->file.release(bytes(name)); }

std::span<const std::byte> SafetensorsFile::file_bytes() const { return state_->file.bytes(); }

}  // namespace polymoe
