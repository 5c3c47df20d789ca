#include "polymoe/train/run_folder.h"

#include "polymoe/base/files.h"
#include "polymoe/base/partial.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/checkpoint/vocabulary_file.h"
#include "polymoe/config/run_options.h"
#include "polymoe/train/changes.h"

namespace polymoe {

namespace fs = std::filesystem;

void on_rank0(Communicator& world, const std::function<void()>& work) {
  run_collectively(world, [&] {
    if (world.rank() == 0) work();
  });
}

RunFolder::RunFolder(Communicator& world, const RunOptions& options)
    : world_(world), path_(options.train.output), data_vocabulary_(fs::path(options.data.path) / "vocab.model") {
  const Check check = options.train.verify ? Check::kValues : Check::kHeaders;
  on_rank0(world_, [&] {
    fs::create_directories(path_);
    lock_.emplace(path_, "training");
    // What killed trainings left; other files there may be anyone's.
    for (const char* own : {"config.yaml", "metrics.jsonl", "report.html", "vocab.model"}) {
      remove_stale_partials(path_ / own);
    }
    remove_stale_partials(path_, kCheckpointPrefix);
    latest_ = find_start(path_, check);
    if (!latest_ && !options.train.init.empty()) {
      init_ = resolve_checkpoint(options.train.init);
      check_start(Checkpoint::open(*init_, check), options);
    }
    if (latest_) check_start(Checkpoint::open(*latest_, Check::kHeaders), options);
  });
  latest_ = from_first(latest_);
  init_ = from_first(init_);
}

void RunFolder::write_basics(const std::string& config) const {
  on_rank0(world_, [&] {
    const fs::path own = path_ / "vocab.model";
    const std::string vocabulary = read_file(data_vocabulary_);
    const bool is_there = path_exists(own);
    if (latest_ && is_there && read_file(own) != vocabulary) {
      remark("is not the vocabulary of this training, and is replaced", {own, 0});
    }
    if (!latest_ || !is_there || read_file(own) != vocabulary) write_file(own, vocabulary);
    write_file(path_ / "config.yaml", config);
  });
}

void RunFolder::check_start(const Checkpoint& checkpoint, const RunOptions& options) const {
  check_vocabulary(checkpoint, data_vocabulary_);
  check_model_options(checkpoint, options.model);
}

bool RunFolder::has(const char* name) const {
  std::optional<fs::path> found;
  on_rank0(world_, [&] {
    if (path_exists(path_ / name)) found = path_ / name;
  });
  return from_first(found).has_value();
}

void RunFolder::check() const {
  on_rank0(world_, [&] { lock_->check(); });
}

std::optional<fs::path> RunFolder::newest() const {
  std::optional<fs::path> found;
  on_rank0(world_, [&] { found = find_latest(path_); });
  return from_first(found);
}

std::optional<fs::path> RunFolder::from_first(const std::optional<fs::path>& path) const {
  const std::string text = all_gather_texts(world_, path ? path->string() : "").front();
  return text.empty() ? std::nullopt : std::optional<fs::path>(text);
}

}  // namespace polymoe
