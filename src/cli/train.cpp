#include <atomic>
#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "train/trainer.h"

namespace polymoe::cli {
namespace {

// Set by SIGTERM and SIGINT; the trainer looks at it between updates. A second signal ends the program at once.
std::atomic<bool> stop_requested{false};

extern "C" void request_stop(int signal) {
  if (stop_requested.exchange(true)) std::_Exit(128 + signal);
}

void train(const RunOptions& options) {
  std::signal(SIGTERM, request_stop);
  std::signal(SIGINT, request_stop);
  Trainer trainer(options);
  const TrainSummary summary = trainer.run(stop_requested, console_progress());
  log_info("{} after {} updates and {:.1f} minutes: {}", summary.interrupted ? "stopped" : "finished", summary.updates,
           summary.seconds / 60.0, summary.reason);
  fmt::print("{}\n", summary.checkpoint.string());
}

}  // namespace

void add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Train a model from a prepared dataset");
  command->footer(
      "Prints the path of the last checkpoint. A run that finds checkpoints in its output folder goes on from there;\n"
      "SIGTERM and Ctrl-C save a checkpoint and end it.\n\n"
      "Example:\n"
      "  polymoe train --data.path data --out run --preset small --experts 8 --max-minutes 30");
  const std::map<std::string, std::string> other_names{{"train.output", "out"}};  // as the other subcommands have it
  auto binder = std::make_shared<OptionBinder>(*command, std::vector<std::string>{}, RunOptions{}, other_names);
  command->callback([binder] {
    const RunOptions& options = binder->finish();
    if (binder->dump_requested()) {
      fmt::print("{}", binder->dump());
    } else {
      train(options);
    }
  });
}

}  // namespace polymoe::cli
