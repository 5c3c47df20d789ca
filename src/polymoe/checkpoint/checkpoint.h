#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/base/progress.h"
#include "polymoe/checkpoint/safetensors.h"
#include "polymoe/nn/shard_spec.h"

namespace at {
class Tensor;
}

/// Logical checkpoints: a folder of named full tensors that knows nothing of ranks, so that any layout loads any
/// checkpoint. Each expert has its own name (`encoder.layers.1.moe.experts.3.up.weight`). A *group* keeps kinds of
/// tensors apart (`model`, `optimizer`); names are unique within a group. See docs/checkpoints.md for the files.
namespace polymoe {

class Communicator;

/// The size at which a new shard file begins, unless told otherwise.
inline constexpr std::uint64_t kShardBytes = std::uint64_t{4} << 30;

/// Collects the tensors of a checkpoint and writes them; by one process,
///
///     CheckpointWriter writer(run_folder / checkpoint_name(update));
///     for (const auto& p : model->named_parameters()) writer.add("model", p.key(), p.value());
///     writer.commit({{"update", update}});
///
/// or by all members of a group, each of which writes the parts that it has. They add the same tensors in the same
/// order. The files do not tell how many wrote them, nor how the tensors lay on them.
class CheckpointWriter {
 public:
  /// `path` is the folder to make or to replace, in a file system that all members see. Nothing is written before
  /// commit(). A shard grows up to `shard_bytes` of tensors; a larger tensor gets a shard of its own. `group` takes
  /// tensors in host memory and outlives this object.
  CheckpointWriter(Communicator& group, std::filesystem::path path, std::uint64_t shard_bytes = kShardBytes);
  /// For a process that writes alone.
  explicit CheckpointWriter(std::filesystem::path path, std::uint64_t shard_bytes = kShardBytes);
  ~CheckpointWriter();
  CheckpointWriter(CheckpointWriter&&) noexcept;

  /// Adds a tensor, of any device and any strides, that rank 0 writes as a whole. It is kept as a reference and read
  /// at commit(). Throws Error for a name given twice, or for an element type that Dtype lacks.
  void add(const std::string& group, const std::string& name, const at::Tensor& value);
  /// The same for a tensor that is made when its turn to be written comes and dropped after it, so that only one of
  /// them is in memory at a time. `make` must return what `spec` says; it is called on rank 0 only.
  void add(const std::string& group, const TensorSpec& spec, std::function<at::Tensor()> make);
  /// Adds this member's part of the logical tensor `spec`. `make` returns the local tensor, contiguous and of the
  /// type of `spec`, when its turn comes; it must not wait for other members. `runs` say which of its elements are
  /// which of the logical tensor; without runs `make` is not called. Each element of the logical tensor must be in one
  /// run of one member (commit() checks it). Throws Error as above, and for runs outside the logical tensor.
  void add_part(const std::string& group, const TensorSpec& spec, std::function<at::Tensor()> make,
                std::vector<Run> runs);

  /// Adds a small file beside the tensors, "vocab.model" say: rank 0's is written. Throws Error for a name given twice
  /// or one that is not plain.
  void add_file(const std::string& name, std::string content);

  /// Writes everything, together with the `meta` of rank 0, into `path`.partial-PID, syncs it, and renames it to
  /// `path`; returns when that is done. Called by all members. An older checkpoint at `path` is replaced only when the
  /// new one is whole. When anything fails on one member (disk full, say), every member throws Error and no trace is
  /// left. May be called once.
  void commit(const nlohmann::json& meta);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A file of a checkpoint.
struct CheckpointShard {
  std::string file;
  std::uint64_t bytes = 0;
  std::uint32_t crc32 = 0;
};

/// How well open() looks at a checkpoint.
enum class Check {
  kHeaders,  ///< the index and the header of each shard
  kValues    ///< every byte too, against the checksums: for whoever uses the weights
};

/// A checkpoint opened for reading.
class Checkpoint {
 public:
  /// Reads the index and the header of each shard. Throws Error with the file for one that is missing, damaged, of
  /// another size than the index says, or in disagreement with the index; with Check::kValues as verify() does.
  static Checkpoint open(const std::filesystem::path& path, Check check = Check::kValues);
  ~Checkpoint();
  Checkpoint(Checkpoint&&) noexcept;

  const std::filesystem::path& path() const;
  /// What commit() was given.
  const nlohmann::json& meta() const;

  std::vector<std::string> groups() const;
  /// Sorted by name; empty when there is no such group.
  std::vector<std::string> names(std::string_view group) const;
  bool has(std::string_view group, std::string_view name) const;
  /// Element type and shape. Throws Error when there is no such tensor.
  const TensorSpec& spec(std::string_view group, std::string_view name) const;
  /// A copy of the values in host memory, which does not depend on this object. Throws Error when there is no such
  /// tensor.
  at::Tensor read(std::string_view group, std::string_view name) const;
  /// Copies those elements of a tensor that `runs` name into `local`, a contiguous tensor on any device, and touches
  /// no others on either side: a process that holds a slice never makes the whole. Floating-point types are converted
  /// to that of `local`. Throws Error when there is no such tensor, for other types that differ, and for runs outside
  /// either tensor.
  void read_runs(std::string_view group, std::string_view name, const at::Tensor& local,
                 const std::vector<Run>& runs) const;

  const std::vector<CheckpointShard>& shards() const;
  /// Reads every byte and throws Error with the file whose checksum is wrong.
  void verify(const ProgressSink& progress = {}) const;

 private:
  struct State;
  explicit Checkpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// What the names of all checkpoints of a run begin with.
inline constexpr char kCheckpointPrefix[] = "checkpoint-";

/// A run's checkpoint with the best validation so far.
inline constexpr char kBestCheckpoint[] = "checkpoint-best";

/// "checkpoint-0001000" for update 1000: at least seven digits.
std::string checkpoint_name(std::int64_t update);

/// The numbered checkpoint of the highest update in `run_folder` that opens so; damaged ones are passed over with a
/// warning. Empty when there is none. Changes nothing on the disk.
std::optional<std::filesystem::path> find_latest(const std::filesystem::path& run_folder,
                                                 Check check = Check::kHeaders);

/// The checkpoint that a training in `run_folder` goes on from; empty where it begins anew, since there is nothing to
/// lose. Throws Error, having changed nothing, where there is: numbered checkpoints none of which is whole, or a best
/// checkpoint alone. What `polymoe average` and the like have put there is passed over.
std::optional<std::filesystem::path> find_start(const std::filesystem::path& run_folder, Check check);

/// The newest `count` numbered checkpoints that open, oldest first. Throws Error when there are fewer.
std::vector<std::filesystem::path> find_last(const std::filesystem::path& run_folder, std::int64_t count);

/// Every folder in `run_folder` with the name of a checkpoint, whole or not, in the order of their names.
std::vector<std::filesystem::path> all_checkpoints(const std::filesystem::path& run_folder);

/// Removes what killed processes left unfinished, and all numbered checkpoints but the newest `keep` (at least 1) that
/// open. For the process that writes to `run_folder`, between two commits; named checkpoints ("checkpoint-best") stay.
void prune_checkpoints(const std::filesystem::path& run_folder, std::int64_t keep);

}  // namespace polymoe
