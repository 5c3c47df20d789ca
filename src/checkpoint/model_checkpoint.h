#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "config/options.h"
#include "model/encoder_decoder.h"
#include "optim/parameter_store.h"

namespace polymoe {

/// A parameter, or one expert's slice of it, under its logical name: "...experts.up_weight" [experts, ...] is known as
/// "...experts.0.up_weight", "...experts.1.up_weight", ...
struct LogicalTensor {
  std::string name;
  at::Tensor view;
};
std::vector<LogicalTensor> logical_tensors(const std::string& parameter_name, const at::Tensor& value);

/// Adds the master weights to `writer`, group "model".
void add_model(CheckpointWriter& writer, const ParameterStore& store);
/// Adds Adam's moments, group "optimizer": "first_moment/NAME" and "second_moment/NAME".
void add_optimizer(CheckpointWriter& writer, const ParameterStore& store);

/// Fills the store's master weights and publishes them. Throws Error that names the first tensor that is missing or has
/// another shape, and refuses a checkpoint with tensors that the model lacks.
void read_model(const Checkpoint& checkpoint, ParameterStore& store);
void read_optimizer(const Checkpoint& checkpoint, ParameterStore& store);

/// The options of the run that wrote the checkpoint.
RunOptions options_of(const Checkpoint& checkpoint);

/// A model for inference with the checkpoint's options and weights.
EncoderDecoder load_model(const Checkpoint& checkpoint, at::ScalarType precision, const at::Device& device);

/// The checkpoint that `path` means: a checkpoint folder itself, or a run folder, whose best or else newest checkpoint
/// is taken. Throws Error when there is neither.
std::filesystem::path resolve_checkpoint(const std::filesystem::path& path);

/// The vocabulary of a checkpoint: vocab.model beside or inside its folder. Throws Error when there is none.
std::filesystem::path vocabulary_of(const std::filesystem::path& checkpoint);

}  // namespace polymoe
