#include "polymoe/interchange/export.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/atomic_folder.h"
#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/dtype.h"
#include "polymoe/interchange/foreign_config.h"
#include "polymoe/interchange/foreign_vocabulary.h"
#include "polymoe/interchange/tensor_map.h"
#include "polymoe/surgery/source.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/vocabulary_layout.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// A tensor of the foreign model: `elements` of ours from `begin` on.
struct Part {
  TensorSpec spec;
  std::string ours;
  std::int64_t begin = 0;
};

std::vector<Part> parts_of(const Checkpoint& checkpoint, const std::vector<TensorMap>& maps) {
  std::vector<Part> parts;
  for (const TensorMap& map : maps) {
    if (!checkpoint.has("model", map.name)) throw Error("has no tensor " + in_quotes(map.name), {checkpoint.path(), 0});
    const TensorSpec& spec = checkpoint.spec("model", map.name);
    if (spec.shape != map.shape) throw Error("another shape of tensor " + in_quotes(map.name), {checkpoint.path(), 0});
    std::int64_t begin = 0;
    for (const std::string& part : map.parts) {
      parts.push_back({{part, spec.dtype, map.part_shape}, map.name, begin});
      begin += num_elements(parts.back().spec);
    }
  }
  if (maps.size() != checkpoint.names("model").size()) {
    throw Error("holds tensors that its configuration does not tell of", {checkpoint.path(), 0});
  }
  // The order that the safetensors library has: wide types first, then by name.
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return std::pair(dtype_bytes(b.spec.dtype), a.spec.name) < std::pair(dtype_bytes(a.spec.dtype), b.spec.name);
  });
  return parts;
}

std::vector<std::vector<Part>> cut_into_shards(const std::vector<Part>& parts, std::uint64_t shard_bytes) {
  std::vector<std::vector<Part>> shards(1);
  std::uint64_t bytes = 0;
  for (const Part& part : parts) {
    const std::uint64_t more = tensor_bytes(part.spec);
    if (!shards.back().empty() && bytes + more > shard_bytes) {
      shards.emplace_back();
      bytes = 0;
    }
    shards.back().push_back(part);
    bytes += more;
  }
  return shards;
}

// The bytes in front of the tensors, as the safetensors library writes them.
std::string header_of(const std::vector<Part>& shard) {
  ordered_json header{{std::string(safetensors::kMetadataKey), {{"format", "pt"}}}};
  std::uint64_t begin = 0;
  for (const Part& part : shard) {
    const std::uint64_t end = begin + tensor_bytes(part.spec);
    header[part.spec.name] = {
        {"dtype", dtype_name(part.spec.dtype)}, {"shape", part.spec.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = dump_json(header);
  constexpr std::size_t kAlignment = 8;
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(safetensors::kLengthBytes, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + text;
}

at::Tensor read(const Checkpoint& checkpoint, const Part& part) {
  at::Tensor values = at::empty(part.spec.shape, scalar_type(part.spec.dtype));
  checkpoint.read_runs("model", part.ours, values, {{0, part.begin, values.numel()}});
  return values;
}

class WeightsWriter {
 public:
  WeightsWriter(const Checkpoint& checkpoint, const ProgressSink& progress)
      : checkpoint_(checkpoint), progress_(progress) {}

  void write(const fs::path& folder, const std::vector<std::vector<Part>>& shards) {
    state_ = {"export", 0, 0, "tensors", "", false};
    for (const std::vector<Part>& shard : shards) state_.total += shard.size();
    ordered_json map = ordered_json::object();
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const std::string name = shards.size() == 1
                                   ? "model.safetensors"
                                   : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
      write_shard(folder / name, shards[i]);
      for (const Part& part : shards[i]) {
        map[part.spec.name] = name;
        bytes += tensor_bytes(part.spec);
      }
    }
    if (shards.size() > 1) {
      const ordered_json index{{"metadata", {{"total_size", bytes}}}, {"weight_map", map}};
      write_file(folder / "model.safetensors.index.json", dump_json(index, 2) + "\n");
    }
    state_.finished = true;
    if (progress_) progress_(state_);
  }

 private:
  void write_shard(const fs::path& path, const std::vector<Part>& shard) {
    AtomicFile file(path);
    file.write(header_of(shard));
    for (const Part& part : shard) {
      const at::Tensor values = read(checkpoint_, part);
      file.write(std::span(static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()));
      ++state_.done;
      if (progress_) progress_(state_);
    }
    file.commit();
  }

  const Checkpoint& checkpoint_;
  const ProgressSink& progress_;
  Progress state_;
};

// The ids that models of the class have where no vocabulary tells.
ForeignIds usual_ids(const ForeignConfig& config) {
  if (config.kind == ForeignClass::kMarian) return {-1, config.model.vocabulary - 1, 0, config.model.vocabulary - 1};
  return {0, config.model.position_offset - 1, 2, 2};
}

// The tokenizer's files, and the ids for the configuration.
std::map<std::string, std::string> tokenizer_files(const Source& source, ForeignConfig& config) {
  config.ids = usual_ids(config);
  if (!source.vocabulary) {
    remark(
        "the exported model has no tokenizer, since the checkpoint has no vocabulary; ids of marks are the usual ones",
        {source.path(), 0});
    return {};
  }
  const ForeignIds ids = foreign_ids(*source.vocabulary, source.path());
  if (config.kind != ForeignClass::kMarian && ids.pad != config.model.position_offset - 1) {
    fail("model.position-offset is {}, but {} is the id of padding, behind which positions begin there",
         config.model.position_offset, ids.pad);
  }
  config.ids = ids;
  if (read_layout(*source.vocabulary, source.path()))
    return write_foreign_vocabulary(*source.vocabulary, source.path());
  remark("the exported model has no tokenizer of transformers, since its vocabulary was made here: it is vocab.model",
         {source.path(), 0}, "sources are [target tag] tokens </s>, and decoding starts from the target tag");
  return {{"vocab.model", *source.vocabulary}};
}

}  // namespace

void export_model(const ExportOptions& options, const ProgressSink& progress) {
  const bool is_free = !path_exists(options.output) || (is_folder(options.output) && fs::is_empty(options.output));
  if (!is_free) throw Error("exists and is not empty", {options.output, 0}, "choose another name for the result");
  const Source source = Source::open(options.checkpoint);
  ForeignConfig config{class_for(source.options.model), source.options.model, {}};
  std::map<std::string, std::string> files = tokenizer_files(source, config);
  files.emplace("config.json", dump_json(write_foreign_config(config), 2) + "\n");
  files.emplace("generation_config.json", dump_json(write_generation_config(config, source.options.decode), 2) + "\n");
  const std::vector<Part> parts = parts_of(source.checkpoint, tensor_maps(config.kind, config.model));

  AtomicFolder folder(options.output);
  for (const auto& [name, content] : files) write_file(folder.temporary() / name, content);
  WeightsWriter(source.checkpoint, progress).write(folder.temporary(), cut_into_shards(parts, options.shard_bytes));
  folder.commit();
}

}  // namespace polymoe
