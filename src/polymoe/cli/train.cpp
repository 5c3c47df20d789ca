#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/core.h>

#include "polymoe/base/error.h"
#include "polymoe/base/log.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/cli/launch.h"
#include "polymoe/cli/options.h"
#include "polymoe/cli/parallel.h"
#include "polymoe/cli/stop_file.h"
#include "polymoe/cli/stop_signals.h"
#include "polymoe/config/effects.h"
#include "polymoe/train/trainer.h"

namespace polymoe::cli {
namespace {

// Set by a stop signal (mpirun hands on SIGUSR1 alone); the trainer looks at it between updates. A second one ends the
// program at once.
std::atomic<bool> stop_requested{false};

extern "C" void request_stop(int signal) {
  if (stop_requested.exchange(true)) std::_Exit(128 + signal);
}

void train(const RunOptions& options) {
  handle_stop_signals(request_stop);
  const StopFileWatch stop_file(stop_requested);
  World& all = world(options.parallel.timeout);
  if (options.parallel.rank_logs && !options.train.output.empty()) {
    log_to_file(std::filesystem::path(options.train.output) / "logs" /
                fmt::format("rank-{}.log", all.communicator().rank()));
  }
  if (all.local_processes() > 1 && options.train.threads == 0)
    at::set_num_threads(threads_for_each(all.local_processes()));
  Trainer trainer(options, all.communicator());
  const bool speaks = launched_rank() == 0;
  const TrainSummary summary = trainer.run(stop_requested, speaks ? console_progress() : ProgressSink());
  log_info("{} after {} updates and {:.1f} minutes: {}", summary.interrupted ? "stopped" : "finished", summary.updates,
           summary.seconds / 60.0, summary.reason);
  if (speaks) fmt::print("{}\n", summary.checkpoint.string());
}

// A run that starts from another's weights has its model too, but for what is given. When it goes on, its own
// checkpoints tell.
bool take_model_of_init(const RunOptions& merged, RunOptions& defaults) {
  if (merged.train.init.empty()) return false;
  const auto own = merged.train.output.empty() ? std::nullopt : find_latest(merged.train.output);
  const Checkpoint checkpoint = Checkpoint::open(own ? *own : resolve_checkpoint(merged.train.init), Check::kHeaders);
  defaults.model = options_of(checkpoint).model;
  defaults.model.preset = "none";
  defaults.model.vocabulary = 0;  // the dataset tells
  return true;
}

}  // namespace

void add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Train a model from a prepared dataset");
  command->footer(
      "Prints the path of the last checkpoint. A run that finds checkpoints in its output folder goes on from there;\n"
      "Ctrl-C, SIGTERM, SIGUSR1 and a closed terminal (unless under nohup) save a checkpoint and end it.\n\n"
      "With --init the model's options come from that checkpoint, but for those given here.\n\n"
      "Several processes: --processes N on this machine; on a cluster `mpirun polymoe train ...` or\n"
      "`srun --mpi=pmix polymoe train ...`.\n\n"
      "Example:\n"
      "  polymoe train --data.path data --out run --preset small --experts 8 --max-minutes 30");
  const std::map<std::string, std::string> other_names{{"train.output", "out"}};  // as the other subcommands have it
  auto binder = std::make_shared<OptionBinder>(*command, std::vector<std::string>{}, PlannerOptions{}, other_names);
  auto processes = std::make_shared<int>(0);
  command->add_option("--processes", *processes, "run as so many processes on this machine, under mpirun")
      ->option_text("N (1)")
      ->check(CLI::Range(1, 1 << 16));
  command->callback([binder, processes] {
    const RunOptions& options = binder->finish(take_model_of_init);
    if (binder->dump_requested()) {
      if (launched_rank() == 0) fmt::print("{}", binder->dump());
    } else if (*processes > 1 && !launched_in_parallel()) {
      throw CLI::RuntimeError(run_under_mpirun(*processes));
    } else if (*processes > 0 && *processes != launched_processes()) {
      fail("--processes {}, but {} were launched already; leave it out", *processes, launched_processes());
    } else {
      remark_without_effect(without_effect(options, binder->given()));
      train(options);
    }
  });
}

}  // namespace polymoe::cli
