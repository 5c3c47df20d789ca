#include "polymoe/checkpoint/index.h"

#include <limits>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/quote.h"

namespace polymoe {
namespace {

using nlohmann::json;

constexpr std::string_view kFormat = "polymoe checkpoint";
constexpr int kVersion = 1;

/// The checksum of an index stands in its last bytes and covers all bytes before them.
std::string checksum_ending(std::string_view covered) {
  return fmt::format(",\"crc32\":\"{:08x}\"}}\n", crc32_of(std::as_bytes(std::span(covered))));
}

/// Refuses nesting that no index needs and that would exhaust the stack of recursive functions.
bool limit_depth(int depth, json::parse_event_t, json&) {
  constexpr int kMaxDepth = 100;
  if (depth > kMaxDepth) fail("nested too deeply");
  return true;
}

/// A whole number of at least 0. The library would bend any number to the wanted type without a word.
template <typename T>
T whole_number(const json& value) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<T>::max()) {
    fail("it holds {} where a whole number is wanted", in_quotes(dump_json(value)));
  }
  return value.get<T>();
}

CheckpointIndex from_json(json& root) {
  CheckpointIndex index;
  if (root.at("format") != kFormat) fail("not the index of a checkpoint");
  if (whole_number<int>(root.at("version")) > kVersion) fail("of a newer format than this program knows");
  for (const json& item : root.at("shards")) {
    CheckpointShard shard;
    shard.file = item.at("file").get<std::string>();
    if (shard.file.empty() || shard.file.front() == '.' || shard.file.find('/') != std::string::npos) {
      fail("{} is no name of a shard", in_quotes(shard.file));
    }
    shard.bytes = whole_number<std::uint64_t>(item.at("bytes"));
    shard.crc32 = whole_number<std::uint32_t>(item.at("crc32"));
    index.shards.push_back(std::move(shard));
  }
  for (const auto& [group_name, tensors] : root.at("tensors").items()) {
    CheckpointIndex::Group& group = index.groups[group_name];
    for (const auto& [name, item] : tensors.items()) {
      CheckpointIndex::Tensor tensor;
      tensor.spec.name = name;
      if (!parse_dtype(item.at("dtype").get<std::string>(), tensor.spec.dtype)) {
        fail("tensor {} is of an unknown element type", in_quotes(name));
      }
      for (const json& size : item.at("shape")) tensor.spec.shape.push_back(whole_number<std::int64_t>(size));
      tensor.shard = whole_number<std::size_t>(item.at("shard"));
      if (tensor.shard >= index.shards.size()) fail("tensor {} is in a shard that is not listed", in_quotes(name));
      group.emplace(name, std::move(tensor));
    }
  }
  index.meta = std::move(root.at("meta"));
  return index;
}

}  // namespace

void write_index(const std::filesystem::path& path, const CheckpointIndex& index) {
  json shards = json::array();
  for (const CheckpointShard& shard : index.shards) {
    shards.push_back({{"file", shard.file}, {"bytes", shard.bytes}, {"crc32", shard.crc32}});
  }
  json groups = json::object();
  for (const auto& [group_name, tensors] : index.groups) {
    json& group = groups[group_name] = json::object();
    for (const auto& [name, tensor] : tensors) {
      group[name] = {{"dtype", dtype_name(tensor.spec.dtype)}, {"shape", tensor.spec.shape}, {"shard", tensor.shard}};
    }
  }
  const json root = {{"format", kFormat},
                     {"version", kVersion},
                     {"shards", std::move(shards)},
                     {"tensors", std::move(groups)},
                     {"meta", index.meta}};
  std::string text;
  try {
    text = dump_json(root);
  } catch (const json::exception&) {
    throw Error("a text in the checkpoint's meta data is not UTF-8", {path, 0});
  }
  // JSON has no infinities; the library would write null for them without a word.
  if (parse_json(text) != root) throw Error("the checkpoint's meta data hold a number that is not finite", {path, 0});
  text.pop_back();  // the closing brace, which comes with the checksum
  write_file(path, text + checksum_ending(text));
}

CheckpointIndex read_index(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    throw Error(std::string("not a checkpoint: it has no ") + kIndexFile, {path.parent_path(), 0},
                "give the folder of a checkpoint, e.g. RUN/checkpoint-best");
  }
  const std::string text = read_file(path);
  const std::size_t covered = text.size() - std::min(text.size(), checksum_ending("").size());
  if (text.substr(covered) != checksum_ending(std::string_view(text).substr(0, covered))) {
    throw Error("does not match its own checksum", {path, 0}, kDamagedAdvice);
  }
  try {
    json root = json::parse(text, limit_depth);
    return from_json(root);
  } catch (const json::exception&) {
    throw Error("not an index of this format", {path, 0}, kDamagedAdvice);
  } catch (const Error& error) {
    throw Error(error.message(), {path, 0}, "use the program that made the checkpoint, or another checkpoint");
  }
}

}  // namespace polymoe
