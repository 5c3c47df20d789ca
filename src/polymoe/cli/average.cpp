#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "polymoe/base/error.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/surgery/average.h"

namespace polymoe::cli {
namespace {

struct AverageArguments {
  AverageOptions options;
  std::int64_t last = 0;
};

void average(AverageArguments arguments) {
  AverageOptions& options = arguments.options;
  if (arguments.last > 0) {
    if (options.checkpoints.size() != 1) fail("--last takes the checkpoints of one run folder; name that alone");
    options.checkpoints = find_last(options.checkpoints.front(), arguments.last);
  } else if (options.checkpoints.size() == 1) {
    fail("one checkpoint has no mean; name several, or a run folder with --last N");
  }
  average_checkpoints(options, console_progress());
  fmt::print("{}\n", options.output.string());
}

constexpr const char* kAverageFooter =
    "The mean of the weights of a run's last checkpoints is often better than each of them. The result is a\n"
    "checkpoint without optimiser state, for `translate` and `train --init`; its path is printed.\n\n"
    "Example: the last five of a run (train.keep-checkpoints says how many it keeps)\n"
    "  polymoe average run --last 5 --out averaged\n"
    "  polymoe translate --model averaged -s en -t de < test.en\n"
    "Two checkpoints, the second counting three times\n"
    "  polymoe average run/checkpoint-0001000 run/checkpoint-0002000 --weights 1,3 --out averaged";

}  // namespace

void add_average(CLI::App& app) {
  CLI::App* command = app.add_subcommand("average", "Average the weights of checkpoints of one model");
  const auto arguments = std::make_shared<AverageArguments>();
  command->add_option("PATH", arguments->options.checkpoints, "checkpoints; or one run folder, with --last")
      ->required()
      ->type_name("DIR");
  command->add_option("--last", arguments->last, "take the newest N numbered checkpoints of the run folder")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20))
      ->option_text("N");
  command->add_option("--weights", arguments->options.weights, "how much each counts; all alike where not given")
      ->delimiter(',')
      ->option_text("LIST");
  command->add_option("--out,-o", arguments->options.output, "folder for the new checkpoint")
      ->required()
      ->type_name("DIR");
  command->footer(kAverageFooter);
  command->callback([arguments] { average(*arguments); });
}

}  // namespace polymoe::cli
