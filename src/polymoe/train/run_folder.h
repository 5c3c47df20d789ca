#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "polymoe/base/folder_lock.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/comm/communicator.h"

namespace polymoe {

struct RunOptions;

/// Work on the run's folder, which is the first process's alone; where it fails, all processes fail. All call it.
void on_rank0(Communicator& world, const std::function<void()>& work);

/// The folder of a run, train.output. Its first process works on it; all processes call everything here together, and
/// where something fails, all of them throw.
class RunFolder {
 public:
  /// Takes the folder, before anything expensive is made: Error, and nothing is changed, where another training has it,
  /// where its checkpoints are damaged, or where they, or those of train.init, were trained with another vocabulary
  /// than data.path has or with a model that computes something else.
  RunFolder(Communicator& world, const RunOptions& options);

  /// The checkpoint that the run goes on from; empty: it is new.
  const std::optional<std::filesystem::path>& latest() const { return latest_; }
  /// The checkpoint of train.init that a new run starts from.
  const std::optional<std::filesystem::path>& init() const { return init_; }

  /// What lies in every run's folder: its vocabulary, which stays, and its configuration, which may change as a run
  /// goes on.
  void write_basics(const std::string& config) const;
  /// Throws Error where the folder was removed since: what is written from now on would be lost at the end.
  void check() const;
  /// Whether a file or folder is there.
  bool has(const char* name) const;
  /// The newest checkpoint at present.
  std::optional<std::filesystem::path> newest() const;

 private:
  void check_start(const Checkpoint& checkpoint, const RunOptions& options) const;
  std::optional<std::filesystem::path> from_first(const std::optional<std::filesystem::path>& path) const;

  Communicator& world_;
  std::filesystem::path path_, data_vocabulary_;
  std::optional<FolderLock> lock_;  // the first process's
  std::optional<std::filesystem::path> latest_, init_;
};

}  // namespace polymoe
