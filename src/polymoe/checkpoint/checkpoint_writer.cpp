#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include <ATen/core/Tensor.h>

#include "polymoe/base/atomic_folder.h"
#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/quote.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/checkpoint/copy_runs.h"
#include "polymoe/checkpoint/dtype.h"
#include "polymoe/checkpoint/index.h"
#include "polymoe/checkpoint/shard_plan.h"
#include "polymoe/checkpoint/shard_writer.h"

namespace polymoe {

namespace fs = std::filesystem;

namespace {

/// Shards are files named after their group.
void check_group(const std::string& group) {
  constexpr char kAllowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
  if (group.empty() || group.find_first_not_of(kAllowed) != std::string::npos) {
    fail("{} cannot name a group of tensors; use small letters, digits and _", in_quotes(group));
  }
}

/// An empty folder or a checkpoint may be replaced; anything else there is the user's.
void check_target(const fs::path& path) {
  std::error_code ignored;
  const bool replaceable = !fs::exists(path, ignored) || fs::exists(path / kIndexFile, ignored) ||
                           (fs::is_directory(path, ignored) && fs::is_empty(path, ignored));
  if (!replaceable) throw Error("exists and is not a checkpoint", {path, 0}, "move it away or choose another name");
}

/// A name that cannot lead out of the folder or stand for one of the checkpoint's own files.
void check_file_name(const std::string& name) {
  if (name.empty() || name == kIndexFile || name.front() == '.' || name.find('/') != std::string::npos ||
      name.ends_with(".safetensors")) {
    fail("{} cannot name a file beside the tensors of a checkpoint", in_quotes(name));
  }
}

[[noreturn]] void other_than_declared(const TensorSpec& spec) {
  fail("tensor {} is not of the declared type and shape", in_quotes(spec.name));
}

/// Writes this member's elements of a tensor that begins at `offset`.
void write_part(ShardWriter& file, std::uint64_t offset, const TensorPart& part) {
  if (part.runs.empty()) return;
  const at::Tensor made = part.make();
  if (spec_of(part.spec.name, made).dtype != part.spec.dtype) other_than_declared(part.spec);
  check_local_runs(part.spec, made.numel(), part.runs);
  const at::Tensor value = made.detach().to(at::kCPU).contiguous();
  const std::span bytes(static_cast<const std::byte*>(value.const_data_ptr()), value.nbytes());
  const std::uint64_t width = dtype_bytes(part.spec.dtype);
  for (const Run& run : part.runs) {
    file.write(offset + static_cast<std::uint64_t>(run.logical) * width,
               bytes.subspan(static_cast<std::size_t>(run.local) * width, static_cast<std::size_t>(run.count) * width));
  }
}

}  // namespace

struct CheckpointWriter::State {
  State(std::unique_ptr<Communicator> alone, Communicator& communicator, fs::path target, std::uint64_t limit)
      : self(std::move(alone)), group(communicator), path(std::move(target)), shard_bytes(limit) {
    if (!path.has_filename()) path = path.parent_path();  // "folder/"
  }

  bool is_first() const { return group.rank() == 0; }
  /// Shards are shared out: one member makes the file and writes its header.
  bool makes(std::size_t shard) const {
    return shard % static_cast<std::size_t>(group.size()) == static_cast<std::size_t>(group.rank());
  }

  void create_shards(const fs::path& folder, const std::vector<PlannedShard>& shards) const {
    for (std::size_t i = 0; i < shards.size(); ++i) {
      if (makes(i)) create_shard(folder / shards[i].file, shards[i].layout.file_bytes);
    }
  }

  /// Writes what this member has of a shard; returns its share of the checksum.
  std::uint32_t write_shard(const fs::path& folder, const PlannedShard& shard, bool with_header) const {
    const SafetensorsLayout& layout = shard.layout;
    const auto has_runs = [](const TensorPart* part) { return !part->runs.empty(); };
    if (!with_header && std::none_of(shard.parts.begin(), shard.parts.end(), has_runs)) return 0;
    ShardWriter file(folder / shard.file);
    if (with_header) file.write(0, std::as_bytes(std::span(layout.header)));
    for (std::size_t i = 0; i < shard.parts.size(); ++i) write_part(file, layout.offsets[i], *shard.parts[i]);
    file.sync();
    return file.checksum_share(layout.file_bytes);
  }

  /// The shards' checksums from all members' shares.
  std::vector<std::uint32_t> join(const std::vector<std::uint32_t>& shares) const {
    const std::string own(reinterpret_cast<const char*>(shares.data()), shares.size() * sizeof(std::uint32_t));
    std::vector<std::uint32_t> checksums(shares.size());
    for (const std::string& text : all_gather_texts(group, own)) {
      for (std::size_t i = 0; i < checksums.size(); ++i) {
        std::uint32_t share = 0;
        std::memcpy(&share, text.data() + i * sizeof share, sizeof share);
        checksums[i] ^= share;
      }
    }
    return checksums;
  }

  static CheckpointIndex make_index(const std::vector<PlannedShard>& shards,
                                    const std::vector<std::uint32_t>& checksums, const nlohmann::json& meta) {
    CheckpointIndex index;
    index.meta = meta;
    for (std::size_t i = 0; i < shards.size(); ++i) {
      index.shards.push_back({shards[i].file, shards[i].layout.file_bytes, checksums[i]});
      CheckpointIndex::Group& tensors = index.groups[shards[i].group];
      for (const TensorSpec& spec : shards[i].layout.tensors)
        tensors.emplace(spec.name, CheckpointIndex::Tensor{spec, i});
    }
    return index;
  }

  std::unique_ptr<Communicator> self;  // where nobody gave a group
  Communicator& group;
  fs::path path;
  std::uint64_t shard_bytes;
  TensorGroups groups;
  std::map<std::string, std::set<std::string>> names;
  std::map<std::string, std::string> files;
};

CheckpointWriter::CheckpointWriter(Communicator& group, fs::path path, std::uint64_t shard_bytes)
    : state_(std::make_unique<State>(nullptr, group, std::move(path), shard_bytes)) {}

CheckpointWriter::CheckpointWriter(fs::path path, std::uint64_t shard_bytes) {
  std::unique_ptr<Communicator> self = make_self_communicator();
  Communicator& group = *self;
  state_ = std::make_unique<State>(std::move(self), group, std::move(path), shard_bytes);
}

CheckpointWriter::~CheckpointWriter() = default;
CheckpointWriter::CheckpointWriter(CheckpointWriter&&) noexcept = default;

void CheckpointWriter::add(const std::string& group, const std::string& name, const at::Tensor& value) {
  add(group, spec_of(name, value), [value] { return value; });
}

void CheckpointWriter::add(const std::string& group, const TensorSpec& spec, std::function<at::Tensor()> make) {
  const auto make_as_declared = [spec, make = std::move(make)] {
    at::Tensor value = make();
    if (!(spec_of(spec.name, value) == spec)) other_than_declared(spec);
    return value;
  };
  std::vector<Run> runs;
  if (state_->is_first()) runs.push_back({0, 0, num_elements(spec)});
  add_part(group, spec, make_as_declared, std::move(runs));
}

void CheckpointWriter::add_part(const std::string& group, const TensorSpec& spec, std::function<at::Tensor()> make,
                                std::vector<Run> runs) {
  check_group(group);
  check_logical_runs(spec, runs);
  if (!state_->names[group].insert(spec.name).second) {
    fail("two tensors of group {} are named {}", group, in_quotes(spec.name));
  }
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.logical < b.logical; });
  state_->groups[group].push_back({spec, std::move(make), std::move(runs)});
}

void CheckpointWriter::add_file(const std::string& name, std::string content) {
  check_file_name(name);
  if (!state_->files.emplace(name, std::move(content)).second) fail("two files are named {}", in_quotes(name));
}

// Phase by phase, each ending where the members agree that it went well: no member waits for one that has failed, and
// rank 0's folder goes with the exception.
void CheckpointWriter::commit(const nlohmann::json& meta) {
  const State& s = *state_;
  std::vector<PlannedShard> shards;
  run_collectively(s.group, [&] { shards = plan_shards(s.groups, s.shard_bytes); });
  check_plans(s.group, shards);

  std::optional<AtomicFolder> folder;
  run_collectively(s.group, [&] {
    if (!s.is_first()) return;
    check_target(s.path);
    folder.emplace(s.path);
  });
  const fs::path temporary = all_gather_texts(s.group, folder ? folder->temporary().string() : "").front();
  run_collectively(s.group, [&] { s.create_shards(temporary, shards); });

  std::vector<std::uint32_t> shares(shards.size());
  run_collectively(s.group, [&] {
    for (std::size_t i = 0; i < shards.size(); ++i) shares[i] = s.write_shard(temporary, shards[i], s.makes(i));
  });
  const std::vector<std::uint32_t> checksums = s.join(shares);
  run_collectively(s.group, [&] {
    if (!s.is_first()) return;
    for (const auto& [name, content] : s.files) write_file(temporary / name, content);
    write_index(temporary / kIndexFile, State::make_index(shards, checksums, meta));
    folder->commit();
  });
}

}  // namespace polymoe
