#include "checkpoint/model_checkpoint.h"

#include <functional>
#include <set>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "config/yaml_reader.h"
#include "nn/torch_headers.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = "model";
constexpr const char* kOptimizer = "optimizer";
constexpr const char* kFirstMoment = "first_moment/";
constexpr const char* kSecondMoment = "second_moment/";

// Calls f(logical name, view into `buffer`) for every tensor of the store; `buffer` picks one of a unit's buffers.
void for_each_tensor(const ParameterStore& store, const std::function<at::Tensor(const ParameterUnit&)>& buffer,
                     const std::function<void(const std::string&, const at::Tensor&)>& f) {
  for (const ParameterUnit& unit : store.units()) {
    for (const FlatParameter& p : unit.parameters) {
      for (const LogicalTensor& tensor : logical_tensors(p.name, view_in(buffer(unit), p))) f(tensor.name, tensor.view);
    }
  }
}

void add_buffer(CheckpointWriter& writer, const ParameterStore& store, const char* group, const std::string& prefix,
                const std::function<at::Tensor(const ParameterUnit&)>& buffer) {
  for_each_tensor(store, buffer,
                  [&](const std::string& name, const at::Tensor& view) { writer.add(group, prefix + name, view); });
}

// Copies one tensor of the checkpoint into `view`.
void read_tensor(const Checkpoint& checkpoint, const char* group, const std::string& name, const at::Tensor& view) {
  if (!checkpoint.has(group, name)) {
    throw Error(fmt::format("has no tensor '{}' in '{}'", name, group), {checkpoint.path(), 0},
                "was it made with other model options?");
  }
  const at::Tensor value = checkpoint.read(group, name);
  if (value.sizes() != view.sizes()) {
    throw Error(fmt::format("tensor '{}' has shape {}, the model wants {}", name, fmt::join(value.sizes(), "x"),
                            fmt::join(view.sizes(), "x")),
                {checkpoint.path(), 0}, "give the model options that it was made with");
  }
  view.copy_(value);
}

}  // namespace

std::vector<LogicalTensor> logical_tensors(const std::string& parameter_name, const at::Tensor& value) {
  const std::string marker = ".experts.";
  const std::size_t at = parameter_name.find(marker);
  if (at == std::string::npos) return {{parameter_name, value}};
  std::vector<LogicalTensor> tensors;
  for (std::int64_t e = 0; e < value.size(0); ++e) {
    std::string name = parameter_name;
    name.insert(at + marker.size(), std::to_string(e) + ".");
    tensors.push_back({std::move(name), value.select(0, e)});
  }
  return tensors;
}

void add_model(CheckpointWriter& writer, const ParameterStore& store) {
  add_buffer(writer, store, kModel, "", [](const ParameterUnit& unit) { return unit.values; });
}

void add_optimizer(CheckpointWriter& writer, const ParameterStore& store) {
  add_buffer(writer, store, kOptimizer, kFirstMoment, [](const ParameterUnit& unit) { return unit.first_moments; });
  add_buffer(writer, store, kOptimizer, kSecondMoment, [](const ParameterUnit& unit) { return unit.second_moments; });
}

void read_model(const Checkpoint& checkpoint, ParameterStore& store) {
  const at::NoGradGuard no_grad;
  std::set<std::string> known;
  for_each_tensor(
      store, [](const ParameterUnit& unit) { return unit.values; },
      [&](const std::string& name, const at::Tensor& view) {
        read_tensor(checkpoint, kModel, name, view);
        known.insert(name);
      });
  for (const std::string& name : checkpoint.names(kModel)) {
    if (known.count(name) > 0) continue;
    throw Error(fmt::format("tensor '{}' has no place in the model", name), {checkpoint.path(), 0},
                "give the model options that it was made with");
  }
  store.publish();
}

void read_optimizer(const Checkpoint& checkpoint, ParameterStore& store) {
  const at::NoGradGuard no_grad;
  for_each_tensor(
      store, [](const ParameterUnit& unit) { return unit.first_moments; },
      [&](const std::string& name, const at::Tensor& view) {
        read_tensor(checkpoint, kOptimizer, kFirstMoment + name, view);
      });
  for_each_tensor(
      store, [](const ParameterUnit& unit) { return unit.second_moments; },
      [&](const std::string& name, const at::Tensor& view) {
        read_tensor(checkpoint, kOptimizer, kSecondMoment + name, view);
      });
}

RunOptions options_of(const Checkpoint& checkpoint) {
  RunOptions options;
  std::vector<Section> sections = sections_of(options);
  const auto config = checkpoint.meta().find("config");
  if (config == checkpoint.meta().end() || !config->is_string()) {
    throw Error("has no configuration", {checkpoint.path(), 0}, "is it a checkpoint of `polymoe train`?");
  }
  for (const Assignment& assignment : parse_yaml(config->get<std::string>(), checkpoint.path() / "index.json")) {
    set_option(sections, assignment);
  }
  return options;
}

EncoderDecoder load_model(const Checkpoint& checkpoint, at::ScalarType precision, const at::Device& device) {
  EncoderDecoder model(options_of(checkpoint).model);
  const at::NoGradGuard no_grad;
  std::set<std::string> known;
  for (auto& item : model->named_parameters()) {
    for (const LogicalTensor& tensor : logical_tensors(item.key(), item.value())) {
      read_tensor(checkpoint, kModel, tensor.name, tensor.view);
    }
    item.value().set_requires_grad(false);
  }
  model->set_precision(precision);
  model->to(device);
  return model;
}

fs::path resolve_checkpoint(const fs::path& path) {
  if (fs::exists(path / "index.json")) return path;
  if (fs::exists(path / "checkpoint-best" / "index.json")) return path / "checkpoint-best";
  if (const auto latest = find_latest(path)) return *latest;
  throw Error("holds no checkpoint", {path, 0}, "give a folder that `polymoe train` wrote, or one of its checkpoints");
}

fs::path vocabulary_of(const fs::path& checkpoint) {
  const fs::path beside = fs::absolute(checkpoint).lexically_normal();
  const fs::path folder = beside.has_filename() ? beside : beside.parent_path();
  for (const fs::path& place : {folder / "vocab.model", folder.parent_path() / "vocab.model"}) {
    if (fs::exists(place)) return place;
  }
  throw Error("there is no vocab.model in it or beside it", {checkpoint, 0}, "name the vocabulary with --vocab");
}

}  // namespace polymoe
