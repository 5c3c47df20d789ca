#include <set>
#include <utility>

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include "base/atomic_folder.h"
#include "base/error.h"
#include "base/quote.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/dtype.h"
#include "checkpoint/index.h"

namespace polymoe {

namespace fs = std::filesystem;

namespace {

struct Entry {
  TensorSpec spec;
  std::function<at::Tensor()> make;
};

/// Shards are files named after their group.
void check_group(const std::string& group) {
  constexpr char kAllowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
  if (group.empty() || group.find_first_not_of(kAllowed) != std::string::npos) {
    fail("{} cannot name a group of tensors; use small letters, digits and _", in_quotes(group));
  }
}

/// Splits tensors into runs of at most `limit` bytes, or of one larger tensor.
std::vector<std::vector<TensorSpec>> split_into_shards(const std::vector<Entry>& entries, std::uint64_t limit) {
  std::vector<std::vector<TensorSpec>> shards(1);
  std::uint64_t used = 0;
  for (const Entry& entry : entries) {
    const std::uint64_t bytes = tensor_bytes(entry.spec);
    if (!shards.back().empty() && (used > limit || bytes > limit - used)) {
      shards.emplace_back();
      used = 0;
    }
    shards.back().push_back(entry.spec);
    used += bytes;
  }
  return shards;
}

void write_tensor(SafetensorsWriter& writer, const TensorSpec& spec, const at::Tensor& made) {
  if (!(spec_of(spec.name, made) == spec))
    fail("tensor {} is not of the declared type and shape", in_quotes(spec.name));
  const at::Tensor value = made.detach().to(at::kCPU).contiguous();
  writer.write(spec.name, {static_cast<const std::byte*>(value.const_data_ptr()), tensor_bytes(spec)});
}

}  // namespace

struct CheckpointWriter::State {
  void add(const std::string& group, Entry entry) {
    check_group(group);
    if (!names[group].insert(entry.spec.name).second) {
      fail("two tensors of group {} are named {}", group, in_quotes(entry.spec.name));
    }
    tensor_bytes(entry.spec);  // throws for an impossible shape
    groups[group].push_back(std::move(entry));
  }

  /// An empty folder or a checkpoint may be replaced; anything else there is the user's.
  void check_target() const {
    std::error_code ignored;
    const bool replaceable = !fs::exists(path, ignored) || fs::exists(path / kIndexFile, ignored) ||
                             (fs::is_directory(path, ignored) && fs::is_empty(path, ignored));
    if (!replaceable) throw Error("exists and is not a checkpoint", {path, 0}, "move it away or choose another name");
  }

  void write_group(const fs::path& folder, const std::string& group, CheckpointIndex& index) const {
    const std::vector<Entry>& entries = groups.at(group);
    std::map<std::string_view, const Entry*> by_name;
    for (const Entry& entry : entries) by_name.emplace(entry.spec.name, &entry);
    const auto shards = split_into_shards(entries, shard_bytes);
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const std::string file = fmt::format("{}-{:05}-of-{:05}.safetensors", group, i + 1, shards.size());
      // Readers of the PyTorch world ask for this word.
      SafetensorsWriter writer(folder / file, shards[i], {{"format", "pt"}});
      for (const TensorSpec& spec : writer.tensors()) {
        write_tensor(writer, spec, by_name.at(spec.name)->make());
        index.groups[group].emplace(spec.name, CheckpointIndex::Tensor{spec, index.shards.size()});
      }
      writer.commit();
      index.shards.push_back({file, writer.size(), writer.crc32()});
    }
  }

  fs::path path;
  std::uint64_t shard_bytes = 0;
  std::map<std::string, std::vector<Entry>> groups;
  std::map<std::string, std::set<std::string>> names;
};

CheckpointWriter::CheckpointWriter(fs::path path, std::uint64_t shard_bytes) : state_(std::make_unique<State>()) {
  if (!path.has_filename()) path = path.parent_path();  // "folder/"
  state_->path = std::move(path);
  state_->shard_bytes = shard_bytes;
}
CheckpointWriter::~CheckpointWriter() = default;
CheckpointWriter::CheckpointWriter(CheckpointWriter&&) noexcept = default;

void CheckpointWriter::add(const std::string& group, const std::string& name, const at::Tensor& value) {
  state_->add(group, {spec_of(name, value), [value] { return value; }});
}

void CheckpointWriter::add(const std::string& group, const TensorSpec& spec, std::function<at::Tensor()> make) {
  state_->add(group, {spec, std::move(make)});
}

void CheckpointWriter::commit(const nlohmann::json& meta) {
  const State& s = *state_;
  s.check_target();
  AtomicFolder folder(s.path);
  CheckpointIndex index;
  index.meta = meta;
  for (const auto& [group, entries] : s.groups) s.write_group(folder.temporary(), group, index);
  write_index(folder.temporary() / kIndexFile, index);
  folder.commit();
}

}  // namespace polymoe
