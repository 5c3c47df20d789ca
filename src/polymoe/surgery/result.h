#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/base/progress.h"
#include "polymoe/checkpoint/checkpoint.h"

namespace polymoe {

struct RunOptions;

/// What is in a checkpoint that surgery reads or makes.
struct ModelSize {
  std::int64_t parameters = 0;
  std::uint64_t bytes = 0;  ///< of the weights, without optimiser state
};
ModelSize size_of_model(const Checkpoint& checkpoint);

/// Throws Error where a result must not go to `path`: it is one of `sources`, or a checkpoint that a training wrote.
void check_output(const std::filesystem::path& path, const std::vector<std::filesystem::path>& sources);

/// The checkpoint that surgery makes: tensors that are made one at a time as they are written, the configuration, the
/// vocabulary, and a record of where it came from (`meta.origin`).
class SurgeryResult {
 public:
  /// `path` as CheckpointWriter has it.
  SurgeryResult(const std::filesystem::path& path, ProgressSink progress);

  void add(const std::string& group, const TensorSpec& spec, std::function<at::Tensor()> make);
  /// A tensor of another checkpoint, under another name.
  void add_copy(const std::string& group, const std::string& name, const Checkpoint& from,
                const std::string& from_name);

  /// `meta`: what the checkpoint's is to hold beside `config`. Throws Error as CheckpointWriter::commit() does, and for
  /// options that contradict each other.
  void commit(RunOptions options, const std::optional<std::string>& vocabulary, nlohmann::json meta);

 private:
  CheckpointWriter writer_;
  ProgressSink progress_;
  Progress state_;
};

}  // namespace polymoe
