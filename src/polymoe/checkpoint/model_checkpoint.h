#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/checkpoint/vocabulary_file.h"
#include "polymoe/nn/shard_spec.h"

namespace polymoe {

class Model;
class ParallelModel;
struct ModelOptions;
struct ParameterSpec;
struct RunOptions;

/// Where a logical tensor lies in a parameter: "...experts.up_weight" [experts here, ...] holds some of the tensors
/// "...experts.0.up_weight", "...experts.1.up_weight", ...; any other parameter holds its namesake, or a part of it.
struct LogicalTensor {
  std::string name;
  std::vector<std::int64_t> shape;  ///< of the whole tensor
  ShardSpec shard;                  ///< of what is here
  std::int64_t offset = 0;          ///< of what is here, in elements of the parameter
  std::int64_t size = 0;            ///< of what is here; 0 for an expert that lives elsewhere
};
/// All logical tensors of a parameter, those of experts elsewhere too, in the same order in every process.
std::vector<LogicalTensor> logical_tensors(const std::string& name, const ParameterSpec& parameter);

/// Adds the master weights and the routers' state to `writer`, group "model". Each process writes what it answers for;
/// all members of the writer's group call it together.
void add_model(CheckpointWriter& writer, const ParallelModel& model);
/// Adds Adam's moments, group "optimizer": "first_moment/NAME" and "second_moment/NAME"; where a moving average of
/// the weights is kept, "average/NAME", and where updates are delayed, "late_gradient/NAME".
void add_optimizer(CheckpointWriter& writer, const ParallelModel& model);

/// Fills the master weights that this process keeps, and publishes them, and the routers' state; all processes call it
/// together. Reads no more of a tensor than it keeps. Throws Error that names the first tensor that is missing or has
/// another shape, and refuses a checkpoint with tensors that the model lacks.
void read_model(const Checkpoint& checkpoint, ParallelModel& model);
/// The moments, and the averages where the model keeps them; these begin at the weights where the checkpoint has none.
void read_optimizer(const Checkpoint& checkpoint, ParallelModel& model);

/// The options of the run that wrote the checkpoint.
RunOptions options_of(const Checkpoint& checkpoint);

/// What the scales of the int8 or int4 weight `name` are called: `polymoe quantize` puts them beside it.
std::string scales_name(const std::string& name);
/// "int8" or "int4" where a checkpoint's weights are for decoding alone, else empty.
std::string quantized_to(const Checkpoint& checkpoint);
/// Throws Error where they are so: for whoever wants the weights themselves.
void check_not_quantized(const Checkpoint& checkpoint);

/// Throws Error, which names `path`, where a model cannot have int4 weights: it has no experts, or an odd number of
/// inputs.
void check_int4(const ModelOptions& options, const std::filesystem::path& path);

/// The options of the checkpoint's model, whose weights are all there, in the shapes that the options ask for. Throws
/// Error that names the first one that is missing or has another shape.
ModelOptions checked_model_options(const Checkpoint& checkpoint);

/// A model for inference with the checkpoint's options and weights.
Model load_model(const Checkpoint& checkpoint, at::ScalarType precision, const at::Device& device);

/// The checkpoint that `path` means: a checkpoint folder itself, or a run folder, whose best or else newest checkpoint
/// is taken. Throws Error when there is neither.
std::filesystem::path resolve_checkpoint(const std::filesystem::path& path);

}  // namespace polymoe
