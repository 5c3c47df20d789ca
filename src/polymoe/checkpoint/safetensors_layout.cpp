#include <algorithm>
#include <cstring>
#include <utility>

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/utf8.h"
#include "polymoe/checkpoint/safetensors.h"

namespace polymoe {
namespace {

using nlohmann::json;

/// The tensors of our own files begin at a multiple of a cache line.
constexpr std::uint64_t kDataAlignment = 64;

/// The header as JSON. `offsets`: of the tensors, from the first byte after the header.
json make_header(const std::vector<TensorSpec>& tensors, const std::vector<std::uint64_t>& offsets,
                 const SafetensorsMetadata& metadata) {
  json header = json::object();
  if (!metadata.empty()) header[std::string(safetensors::kMetadataKey)] = metadata;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorSpec& spec = tensors[i];
    if (spec.name == safetensors::kMetadataKey) fail("a tensor cannot be named {}", spec.name);
    if (find_bad_utf8(spec.name) != std::string_view::npos) {
      fail("the tensor name {} is not UTF-8", in_quotes(spec.name));
    }
    const std::uint64_t end = offsets[i] + tensor_bytes(spec);
    const json entry = {{"dtype", dtype_name(spec.dtype)}, {"shape", spec.shape}, {"data_offsets", {offsets[i], end}}};
    if (!header.emplace(spec.name, entry).second) fail("two tensors are named {}", in_quotes(spec.name));
  }
  return header;
}

/// The length field and the header, padded with spaces so that the tensors begin aligned.
std::string header_bytes(const json& header) {
  std::string text;
  try {
    text = dump_json(header);
  } catch (const json::exception&) {
    fail("the metadata are not UTF-8");
  }
  text.append((kDataAlignment - (safetensors::kLengthBytes + text.size()) % kDataAlignment) % kDataAlignment, ' ');
  if (text.size() > safetensors::kMaxHeaderBytes)
    throw Error("too many tensors for one file", {}, "use smaller shards");
  const std::uint64_t length = text.size();
  std::string bytes(safetensors::kLengthBytes, '\0');
  std::memcpy(bytes.data(), &length, safetensors::kLengthBytes);
  return bytes + text;
}

}  // namespace

SafetensorsLayout lay_out_safetensors(std::vector<TensorSpec> tensors, const SafetensorsMetadata& metadata) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const TensorSpec& a, const TensorSpec& b) {
    return dtype_bytes(a.dtype) > dtype_bytes(b.dtype);
  });
  SafetensorsLayout layout;
  std::uint64_t end = 0;
  for (const TensorSpec& spec : tensors) {
    layout.offsets.push_back(end);
    end += tensor_bytes(spec);
  }
  layout.header = header_bytes(make_header(tensors, layout.offsets, metadata));
  for (std::uint64_t& offset : layout.offsets) offset += layout.header.size();
  layout.file_bytes = layout.header.size() + end;
  layout.tensors = std::move(tensors);
  return layout;
}

}  // namespace polymoe
