#include "polymoe/checkpoint/checkpoint.h"

#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/quote.h"
#include "polymoe/checkpoint/copy_runs.h"
#include "polymoe/checkpoint/dtype.h"
#include "polymoe/checkpoint/index.h"

namespace polymoe {

namespace fs = std::filesystem;

namespace {

/// Opens a shard and checks its size.
SafetensorsFile open_shard(const fs::path& path, const CheckpointShard& shard) {
  std::error_code code;
  const std::uintmax_t size = fs::file_size(path, code);
  if (code) throw Error("a shard of the checkpoint cannot be read: " + code.message(), {path, 0}, kDamagedAdvice);
  if (size != shard.bytes) {
    throw Error(fmt::format("{} bytes long, but {} by the index", size, shard.bytes), {path, 0}, kDamagedAdvice);
  }
  return SafetensorsFile(path);
}

}  // namespace

struct Checkpoint::State {
  explicit State(fs::path folder) : path(std::move(folder)), index(read_index(path / kIndexFile)) {
    std::vector<std::size_t> listed(index.shards.size());
    for (const CheckpointShard& shard : index.shards) shards.push_back(open_shard(path / shard.file, shard));
    for (const auto& [group_name, group] : index.groups) {
      for (const auto& [name, tensor] : group) {
        const TensorSpec* stored = shards[tensor.shard].find(name);
        if (stored == nullptr || *stored != tensor.spec) disagreement(tensor.shard, name);
        ++listed[tensor.shard];
      }
    }
    for (std::size_t i = 0; i < shards.size(); ++i) {
      if (listed[i] != shards[i].tensors().size()) disagreement(i, "");
    }
  }

  [[noreturn]] void disagreement(std::size_t shard, std::string_view name) const {
    const std::string what = name.empty() ? "the number of its tensors" : "tensor " + in_quotes(name);
    throw Error("disagrees with the index about " + what, {path / index.shards[shard].file, 0}, kDamagedAdvice);
  }

  /// Null when there is no such tensor.
  const CheckpointIndex::Tensor* find(std::string_view group, std::string_view name) const {
    const auto found_group = index.groups.find(group);
    if (found_group == index.groups.end()) return nullptr;
    const auto found = found_group->second.find(name);
    return found == found_group->second.end() ? nullptr : &found->second;
  }

  const CheckpointIndex::Tensor& get(std::string_view group, std::string_view name) const {
    const CheckpointIndex::Tensor* tensor = find(group, name);
    if (tensor == nullptr) {
      throw Error(fmt::format("the checkpoint holds no tensor {} in group {}", in_quotes(name), in_quotes(group)),
                  {path, 0}, "was it made with other model options?");
    }
    return *tensor;
  }

  fs::path path;
  CheckpointIndex index;
  std::vector<SafetensorsFile> shards;
};

Checkpoint::Checkpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;

Checkpoint Checkpoint::open(const fs::path& path, Check check) {
  Checkpoint checkpoint(std::make_unique<State>(path));
  if (check == Check::kValues) checkpoint.verify();
  return checkpoint;
}

const fs::path& Checkpoint::path() const { return state_->path; }
const nlohmann::json& Checkpoint::meta() const { return state_->index.meta; }

std::vector<std::string> Checkpoint::groups() const {
  std::vector<std::string> result;
  for (const auto& [name, group] : state_->index.groups) result.push_back(name);
  return result;
}

std::vector<std::string> Checkpoint::names(std::string_view group) const {
  std::vector<std::string> result;
  const auto found = state_->index.groups.find(group);
  if (found == state_->index.groups.end()) return result;
  for (const auto& [name, tensor] : found->second) result.push_back(name);
  return result;
}

bool Checkpoint::has(std::string_view group, std::string_view name) const {
  return state_->find(group, name) != nullptr;
}

const TensorSpec& Checkpoint::spec(std::string_view group, std::string_view name) const {
  return state_->get(group, name).spec;
}

at::Tensor Checkpoint::read(std::string_view group, std::string_view name) const {
  const TensorSpec& wanted = spec(group, name);
  at::Tensor value = at::empty(wanted.shape, scalar_type(wanted.dtype));
  read_runs(group, name, value, {{0, 0, value.numel()}});
  return value;
}

void Checkpoint::read_runs(std::string_view group, std::string_view name, const at::Tensor& local,
                           const std::vector<Run>& runs) const {
  const CheckpointIndex::Tensor& tensor = state_->get(group, name);
  const SafetensorsFile& shard = state_->shards[tensor.shard];
  if (!local.is_cpu()) {
    copy_runs({shard.bytes(name), tensor.spec}, local, runs);
    return shard.release(name);
  }
  // In parts, after each of which the file's memory is given back: a large tensor is not to be there twice.
  constexpr std::int64_t kElementsAtOnce = std::int64_t{1} << 24;
  std::vector<Run> part;
  std::int64_t elements = 0;
  const auto copy_part = [&] {
    copy_runs({shard.bytes(name), tensor.spec}, local, part);
    shard.release(name);
    part.clear();
    elements = 0;
  };
  for (const Run& run : runs) {
    std::int64_t done = 0;
    do {
      const std::int64_t count = std::min(run.count - done, kElementsAtOnce - elements);
      part.push_back({run.local + done, run.logical + done, count});
      done += count;
      elements += count;
      if (elements == kElementsAtOnce) copy_part();
    } while (done < run.count);
  }
  copy_part();
}

const std::vector<CheckpointShard>& Checkpoint::shards() const { return state_->index.shards; }

void Checkpoint::verify(const ProgressSink& progress) const {
  Progress state;
  state.stage = "verify";
  state.unit = "bytes";
  for (const CheckpointShard& shard : shards()) state.total += shard.bytes;
  const auto report = [&](std::size_t bytes) {
    state.done += bytes;
    if (progress) progress(state);
  };
  // Read, not looked at through the map: a disk that fails then is an error instead of a signal.
  for (const CheckpointShard& shard : shards()) {
    if (crc32_of_file(path() / shard.file, report) != shard.crc32) {
      throw Error("does not match its checksum", {path() / shard.file, 0}, kDamagedAdvice);
    }
  }
  state.finished = true;
  report(0);
}

}  // namespace polymoe
