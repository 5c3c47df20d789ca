#include "polymoe/train/run_state.h"

#include <string>

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/log.h"
#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/sections.h"
#include "polymoe/tensor/device_memory.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/train/changes.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

std::string config_text(RunOptions options) { return dump_yaml(sections_of(options)); }

// Checkpoints pass through host memory.
MemoryScope on_host() { return MemoryScope(MemoryKind::kParameters, /*on_host=*/true); }

const RunOptions& that_fit(const TrainSetup& setup) {
  check_fits(setup.options, setup.world);
  return setup.options;
}

}  // namespace

RunState::RunState(TrainSetup& setup)
    : folder(setup.world, setup.options), train(that_fit(setup), setup.world), setup_(setup) {
  has_metrics = folder.has("metrics.jsonl");
  if (folder.latest() && !has_metrics) {
    on_rank0(setup_.world, [&] { remark("is gone; the records begin here", {output() / "metrics.jsonl", 0}); });
  }
  start_or_resume();
}

void RunState::start_or_resume() {
  const MemoryScope scope = on_host();
  folder.write_basics(config_text(setup_.options));
  if (folder.latest()) {
    resume(Checkpoint::open(*folder.latest(), Check::kHeaders));
    return;
  }
  if (!folder.init()) return;
  const Checkpoint checkpoint = Checkpoint::open(*folder.init(), Check::kHeaders);
  read_model(checkpoint, train);
  log_info("weights from {}", checkpoint.path().string());
  train.store.start_averages();
  if (setup_.options.train.init_optimizer) take_optimizer(checkpoint);
}

void RunState::take_optimizer(const Checkpoint& checkpoint) {
  const auto steps = checkpoint.meta().find("adam_steps");
  if (checkpoint.names("optimizer").empty() || steps == checkpoint.meta().end() || !steps->is_number_integer()) {
    throw Error("holds no optimiser state", {checkpoint.path(), 0}, "leave --init-optimizer out");
  }
  read_optimizer(checkpoint, train);
  train.adam.set_steps(steps->get<std::int64_t>());
}

void RunState::resume(const Checkpoint& checkpoint) {
  read_model(checkpoint, train);
  read_optimizer(checkpoint, train);
  try {
    restore_run(checkpoint.meta(), setup_.options, train, counters, setup_.stream);
    const auto saved = checkpoint.meta().find("window");  // older checkpoints lack it
    if (saved != checkpoint.meta().end()) window = window_from_json(*saved, setup_.world.rank() == 0);
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("cannot resume from it: {}", error.what()), {checkpoint.path(), 0},
                "train into another folder with --init, to start from its weights");
  }
  saved_update_ = train.update;
  saved_validation_ = counters.validated_update;
  take_best(checkpoint);
  log_changes(checkpoint, setup_.options);
  log_info("resuming after update {} from {}", train.update, checkpoint.path().string());
}

// What was best so far counts no more where it was measured otherwise, or is gone.
void RunState::take_best(const Checkpoint& checkpoint) {
  if (!counters.best) return;
  const ValidMetric before = options_of(checkpoint).train.keep_best, now = setup_.options.train.keep_best;
  std::string reason;
  if (before != now) {
    reason = fmt::format("train.keep-best is {} now and was {}", now, before);
  } else if (!folder.has(kBestCheckpoint)) {
    reason = fmt::format("{} is gone", kBestCheckpoint);
  }
  if (reason.empty()) return;
  on_rank0(setup_.world, [&] { remark(reason + "; the next validation counts as the best so far", {output(), 0}); });
  counters.best.reset();
  counters.validations_without_best = 0;
}

std::size_t RunState::num_tasks() const { return task_names(setup_.dataset.vocabulary()).size(); }

nlohmann::json RunState::meta() {
  nlohmann::json meta = run_meta(train, counters, setup_.stream, config_text(setup_.options));
  meta.update(vocabulary_meta(read_file(fs::path(setup_.options.data.path) / "vocab.model")));
  return meta;
}

void RunState::save() {
  const fs::path path = output() / checkpoint_name(train.update);
  // A validation after the last save has changed what the run knows of its best.
  if (saved_update_ == train.update && saved_validation_ == counters.validated_update) return;
  folder.check();
  const MemoryScope scope = on_host();
  CheckpointWriter writer(setup_.world, path);
  add_model(writer, train);
  add_optimizer(writer, train);
  window.move_to_first(train.layout, num_tasks());
  nlohmann::json all = meta();
  all["window"] = to_json(window);
  writer.commit(all);
  on_rank0(setup_.world, [&] { prune_checkpoints(output(), setup_.options.train.keep_checkpoints); });
  saved_update_ = train.update;
  saved_validation_ = counters.validated_update;
  log_info("saved {}", path.string());
}

void RunState::save_best() {
  const MemoryScope scope = on_host();
  CheckpointWriter writer(setup_.world, output() / kBestCheckpoint);
  add_model(writer, train);
  writer.commit(meta());
}

}  // namespace polymoe
