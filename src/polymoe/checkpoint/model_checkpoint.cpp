#include "polymoe/checkpoint/model_checkpoint.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/checkpoint/index.h"
#include "polymoe/config/sections.h"
#include "polymoe/config/validate.h"
#include "polymoe/config/yaml_reader.h"
#include "polymoe/model/model.h"
#include "polymoe/nn/parameter_module.h"
#include "polymoe/optim/parameter_store.h"
#include "polymoe/parallel/parallel_model.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = "model";
constexpr const char* kOptimizer = "optimizer";
constexpr const char* kFirstMoment = "first_moment/";
constexpr const char* kSecondMoment = "second_moment/";
constexpr const char* kAverage = "average/";
constexpr const char* kLateGradient = "late_gradient/";

// One of a unit's [shard size] buffers.
using Buffer = at::Tensor ParameterUnit::*;

// Calls f(unit, parameter, logical tensor) for every logical tensor of the model.
template <typename Function>
void for_each_tensor(const ParameterUnit& unit, const Function& f) {
  for (const FlatParameter& p : unit.parameters) {
    for (const LogicalTensor& tensor : logical_tensors(p.name, p.spec)) f(unit, p, tensor);
  }
}
template <typename Function>
void for_each_tensor(const ParameterStore& store, const Function& f) {
  for (const ParameterUnit& unit : store.units()) for_each_tensor(unit, f);
}

// The elements of `tensor` that are in elements [begin, end) of its parameter: their runs, counted from the first one.
struct Piece {
  std::int64_t begin = 0;  // in the parameter
  std::int64_t count = 0;
  std::vector<Run> runs;
};
Piece piece_of(const LogicalTensor& tensor, std::int64_t begin, std::int64_t end) {
  const std::int64_t first = std::clamp<std::int64_t>(begin - tensor.offset, 0, tensor.size);
  const std::int64_t last = std::clamp<std::int64_t>(end - tensor.offset, 0, tensor.size);
  Piece piece{tensor.offset + first, last - first, {}};
  if (first == last) return piece;
  piece.runs = runs_of(tensor.shard, first, last);
  for (Run& run : piece.runs) run.local -= first;
  return piece;
}

// Elements [piece.begin, ...) of a parameter in a buffer that starts at the unit's own shard.
at::Tensor elements_of(const ParameterUnit& unit, const FlatParameter& p, Buffer buffer, const Piece& piece) {
  return (unit.*buffer).narrow(0, p.offset + piece.begin - unit.shard * unit.shard_size(), piece.count);
}

void add_buffer(CheckpointWriter& writer, const ParallelModel& model, const char* group, const std::string& prefix,
                Buffer buffer) {
  for_each_tensor(model.store, [&](const ParameterUnit& unit, const FlatParameter& p, const LogicalTensor& tensor) {
    const auto [begin, end] = model.sync.owned(unit, p);
    Piece piece = piece_of(tensor, begin, end);
    at::Tensor elements = piece.count > 0 ? elements_of(unit, p, buffer, piece) : at::Tensor();
    const auto content = [elements, whole = unit.*buffer, files = model.store.files()] {
      if (files == nullptr || !elements.defined() || !files->has(whole)) return elements;
      at::Tensor copy;
      use_buffers(files, {{whole, Access::kRead}}, [&] { copy = elements.clone(); });
      return copy;
    };
    writer.add_part(group, {prefix + tensor.name, Dtype::kF32, tensor.shape}, content, std::move(piece.runs));
  });
}

void check_tensor(const Checkpoint& checkpoint, const char* group, const std::string& name,
                  const std::vector<std::int64_t>& shape) {
  if (!checkpoint.has(group, name)) {
    throw Error(fmt::format("has no tensor '{}' in '{}'", name, group), {checkpoint.path(), 0},
                "was it made with other model options?");
  }
  const std::vector<std::int64_t>& stored = checkpoint.spec(group, name).shape;
  if (stored != shape) {
    throw Error(fmt::format("tensor '{}' has shape {}, the model wants {}", name, fmt::join(stored, "x"),
                            fmt::join(shape, "x")),
                {checkpoint.path(), 0}, "give the model options that it was made with");
  }
}

// Of int4 weights two are stored in a byte, and nothing else of a model is bytes.
std::vector<std::int64_t> stored_shape(const Checkpoint& checkpoint, const LogicalTensor& tensor, Role role) {
  std::vector<std::int64_t> shape = tensor.shape;
  if (!checkpoint.has(kModel, tensor.name) || checkpoint.spec(kModel, tensor.name).dtype != Dtype::kU8) return shape;
  const bool in_pairs =
      quantized_to(checkpoint) == "int4" && role == Role::kExpert && shape.size() == 2 && shape.back() % 2 == 0;
  if (!in_pairs) {
    throw Error(fmt::format("tensor '{}' holds bytes, which only the matrices of int4 experts do", tensor.name),
                {checkpoint.path(), 0}, "give a checkpoint that `polymoe` wrote");
  }
  shape.back() /= 2;
  return shape;
}

void read_buffer(const Checkpoint& checkpoint, const ParallelModel& model, const char* group, const std::string& prefix,
                 Buffer buffer) {
  const at::NoGradGuard no_grad;
  const auto read = [&](const ParameterUnit& unit, const FlatParameter& p, const LogicalTensor& tensor) {
    check_tensor(checkpoint, group, prefix + tensor.name, tensor.shape);
    const std::int64_t begin = unit.shard * unit.shard_size() - p.offset;
    const Piece piece = piece_of(tensor, begin, begin + unit.shard_size());
    if (piece.count == 0) return;
    checkpoint.read_runs(group, prefix + tensor.name, elements_of(unit, p, buffer, piece), piece.runs);
  };
  for (const ParameterUnit& unit : model.store.units()) {
    use_buffers(model.store.files(), {{unit.*buffer, Access::kWrite}}, [&] { for_each_tensor(unit, read); });
  }
}

// The modules' buffers: what training changes without gradients, the same in every process.
void read_state(const Checkpoint& checkpoint, const torch::nn::Module& model) {
  const at::NoGradGuard no_grad;
  for (auto& state : model.named_buffers()) {
    check_tensor(checkpoint, kModel, state.key(), state.value().sizes().vec());
    state.value().copy_(checkpoint.read(kModel, state.key()));
  }
}

}  // namespace

std::vector<LogicalTensor> logical_tensors(const std::string& name, const ParameterSpec& parameter) {
  const ShardSpec& shard = parameter.shard;
  std::int64_t size = 1;
  for (const std::int64_t length : shard.local_shape()) size *= length;
  if (parameter.role != Role::kExpert) return {{name, shard.logical_shape, shard, 0, size}};

  // The first dimension of stacked experts is cut into runs of whole experts.
  ShardSpec one = shard;
  one.logical_shape.erase(one.logical_shape.begin());
  one.ranges.erase(one.ranges.begin());
  const IndexRange here = shard.ranges[0][0];
  std::vector<LogicalTensor> tensors;
  for (std::int64_t e = 0; e < shard.logical_shape[0]; ++e) {
    std::string of_expert = name;  // "...experts.up_weight" -> "...experts.3.up_weight"
    of_expert.insert(name.rfind('.') + 1, std::to_string(e) + ".");
    const bool is_here = e >= here.begin && e < here.begin + here.count;
    const std::int64_t expert_size = size / here.count;
    tensors.push_back({std::move(of_expert), one.logical_shape, one, is_here ? (e - here.begin) * expert_size : 0,
                       is_here ? expert_size : 0});
  }
  return tensors;
}

void add_model(CheckpointWriter& writer, const ParallelModel& model) {
  add_buffer(writer, model, kModel, "", &ParameterUnit::master);
  for (const auto& state : model.model->named_buffers()) writer.add(kModel, state.key(), state.value());
}

void add_optimizer(CheckpointWriter& writer, const ParallelModel& model) {
  add_buffer(writer, model, kOptimizer, kFirstMoment, &ParameterUnit::first_moments);
  add_buffer(writer, model, kOptimizer, kSecondMoment, &ParameterUnit::second_moments);
  if (model.store.keeps_averages()) add_buffer(writer, model, kOptimizer, kAverage, &ParameterUnit::averages);
  if (model.store.keeps_late_gradients()) {
    add_buffer(writer, model, kOptimizer, kLateGradient, &ParameterUnit::late_gradients);
  }
}

void read_model(const Checkpoint& checkpoint, ParallelModel& model) {
  check_not_quantized(checkpoint);
  read_buffer(checkpoint, model, kModel, "", &ParameterUnit::master);
  read_state(checkpoint, *model.model);
  std::set<std::string> known;
  for (const auto& state : model.model->named_buffers()) known.insert(state.key());
  for_each_tensor(model.store, [&](const ParameterUnit&, const FlatParameter&, const LogicalTensor& tensor) {
    known.insert(tensor.name);
  });
  for (const std::string& name : checkpoint.names(kModel)) {
    if (known.count(name) > 0) continue;
    throw Error(fmt::format("tensor '{}' has no place in the model", name), {checkpoint.path(), 0},
                "give the model options that it was made with");
  }
  model.store.round_masters();
  model.sync.all_gather_all();
}

void read_optimizer(const Checkpoint& checkpoint, ParallelModel& model) {
  read_buffer(checkpoint, model, kOptimizer, kFirstMoment, &ParameterUnit::first_moments);
  read_buffer(checkpoint, model, kOptimizer, kSecondMoment, &ParameterUnit::second_moments);
  const std::vector<std::string> names = checkpoint.names(kOptimizer);
  const auto has = [&](const std::string& prefix) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(prefix); });
  };
  if (model.store.keeps_averages()) {
    if (has(kAverage)) {
      read_buffer(checkpoint, model, kOptimizer, kAverage, &ParameterUnit::averages);
    } else {
      model.store.start_averages();
    }
  }
  if (model.store.keeps_late_gradients() && has(kLateGradient)) {
    read_buffer(checkpoint, model, kOptimizer, kLateGradient, &ParameterUnit::late_gradients);
  }
}

RunOptions options_of(const Checkpoint& checkpoint) {
  PlannerOptions options;  // older checkpoints name the planner's options as well
  std::vector<Section> sections = sections_of(options);
  const auto config = checkpoint.meta().find("config");
  if (config == checkpoint.meta().end() || !config->is_string()) {
    throw Error("has no configuration", {checkpoint.path(), 0}, "is it a checkpoint of `polymoe train`?");
  }
  for (const Assignment& assignment : parse_yaml(config->get<std::string>(), checkpoint.path() / kIndexFile)) {
    set_option(sections, assignment);
  }
  return options;
}

std::string scales_name(const std::string& name) { return name + ".scales"; }

std::string quantized_to(const Checkpoint& checkpoint) {
  const auto weights = checkpoint.meta().find("weights");
  if (weights == checkpoint.meta().end()) return {};
  return *weights == "int8" || *weights == "int4" ? weights->get<std::string>() : std::string();
}

void check_not_quantized(const Checkpoint& checkpoint) {
  const std::string weights = quantized_to(checkpoint);
  if (weights.empty()) return;
  throw Error(fmt::format("its weights are {}, which only `translate`, `score` and `serve` can use", weights),
              {checkpoint.path(), 0}, "use the model that it was made from");
}

void check_int4(const ModelOptions& options, const fs::path& path) {
  if (options.moe.experts == 0) throw Error("has no experts, which int4 is for", {path, 0}, "choose int8");
  if (options.hidden % 2 != 0 || options.ffn % 2 != 0) {
    throw Error(fmt::format("int4 weights are kept in pairs, and the experts have {} and {} inputs", options.hidden,
                            options.ffn),
                {path, 0}, "choose int8");
  }
}

ModelOptions checked_model_options(const Checkpoint& checkpoint) {
  ModelOptions options = options_of(checkpoint).model;
  try {
    validate(options);
  } catch (const Error& error) {
    throw Error(error.message(), {checkpoint.path() / kIndexFile, 0}, error.remedy());
  }
  // Before a model of that size is made: a damaged configuration may name any.
  const OnMetaDevice scope;
  const Model model = make_model(options);
  for (const auto& [name, parameter] : parameter_specs(*model)) {
    for (const LogicalTensor& tensor : logical_tensors(name, parameter)) {
      check_tensor(checkpoint, kModel, tensor.name, stored_shape(checkpoint, tensor, parameter.role));
    }
  }
  for (const auto& state : model->named_buffers()) {
    check_tensor(checkpoint, kModel, state.key(), state.value().sizes().vec());
  }
  return options;
}

Model load_model(const Checkpoint& checkpoint, at::ScalarType precision, const at::Device& device) {
  check_not_quantized(checkpoint);
  const ModelOptions options = checked_model_options(checkpoint);
  Model model = make_model(options);
  const at::NoGradGuard no_grad;
  const std::map<std::string, ParameterSpec> specs = parameter_specs(*model);
  for (auto& item : model->named_parameters()) {
    const at::Tensor flat = item.value().view(-1);
    for (const LogicalTensor& tensor : logical_tensors(item.key(), specs.at(item.key()))) {
      checkpoint.read_runs(kModel, tensor.name, flat.narrow(0, tensor.offset, tensor.size), runs_of(tensor.shard));
    }
    item.value().set_requires_grad(false);
  }
  read_state(checkpoint, *model);
  model->set_precision(precision);
  model->to(device);
  return model;
}

fs::path resolve_checkpoint(const fs::path& path) {
  if (path.empty()) throw Error("the name of the model's folder is empty");
  if (path_exists(path / kIndexFile)) return path;
  if (path_exists(path / kBestCheckpoint / kIndexFile)) return path / kBestCheckpoint;
  if (const auto latest = find_latest(path, Check::kHeaders)) return *latest;
  throw Error("holds no checkpoint", {path, 0}, "give a folder that `polymoe train` wrote, or one of its checkpoints");
}

}  // namespace polymoe
