#include "train/run_folder.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/leftovers.h"
#include "base/log.h"
#include "checkpoint/model_checkpoint.h"

namespace polymoe {

namespace fs = std::filesystem;

namespace {

// What trainings that were killed while they wrote one of these left behind. Other files there may be anyone's.
void remove_partial_files(const fs::path& folder) {
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    const std::string name = it->path().filename();
    const auto stem = left_by_dead_process(name, ".partial-");
    std::error_code ignored;
    for (const char* own : {"config.yaml", "metrics.jsonl", "report.html", "vocab.model"}) {
      if (stem == own) fs::remove(it->path(), ignored);
    }
  }
}

}  // namespace

RunFolder::RunFolder(Communicator& world, const RunOptions& options)
    : world_(world), path_(options.train.output), data_vocabulary_(fs::path(options.data.path) / "vocab.model") {
  const Check check = options.train.verify ? Check::kValues : Check::kHeaders;
  on_first([&] {
    fs::create_directories(path_);
    lock_.emplace(path_, "training");
    remove_partial_files(path_);
    remove_leftovers(path_);
    latest_ = find_start(path_, check);
    if (!latest_ && !options.train.init.empty()) {
      init_ = resolve_checkpoint(options.train.init);
      Checkpoint::open(*init_, check);
    }
    if (latest_) check_vocabulary(*latest_);
    if (init_) check_vocabulary(*init_);
  });
  latest_ = from_first(latest_);
  init_ = from_first(init_);
}

void RunFolder::write_basics(const std::string& config) const {
  on_first([&] {
    const auto write = [&](const char* name, const std::string& content) {
      if (!latest_ || !fs::exists(path_ / name)) write_file(path_ / name, content);
    };
    write("vocab.model", read_file(data_vocabulary_));
    write("config.yaml", config);
  });
}

void RunFolder::check() const {
  on_first([&] { lock_->check(); });
}

std::optional<fs::path> RunFolder::newest() const {
  std::optional<fs::path> found;
  on_first([&] { found = find_latest(path_); });
  return from_first(found);
}

void RunFolder::on_first(const std::function<void()>& work) const {
  together(world_, [&] {
    if (world_.rank() == 0) work();
  });
}

std::optional<fs::path> RunFolder::from_first(const std::optional<fs::path>& path) const {
  const std::string text = all_gather_texts(world_, path ? path->string() : "").front();
  return text.empty() ? std::nullopt : std::optional<fs::path>(text);
}

// Ids mean nothing in another vocabulary: the data's must be that of the weights.
void RunFolder::check_vocabulary(const fs::path& checkpoint) const {
  const std::optional<fs::path> theirs = find_vocabulary(checkpoint);
  if (!theirs) {
    log_warning("{}: no vocab.model in it or beside it, so nothing tells whether it is {}", checkpoint.string(),
                data_vocabulary_.string());
  } else if (read_file(*theirs) != read_file(data_vocabulary_)) {
    throw Error(fmt::format("is not {}", data_vocabulary_.string()), {*theirs, 0},
                "prepare the data with the vocabulary of the weights (polymoe prepare --vocab)");
  }
}

}  // namespace polymoe
