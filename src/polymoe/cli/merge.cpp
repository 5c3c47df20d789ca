#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/surgery/aggregate.h"

namespace polymoe::cli {
namespace {

constexpr const char* kMergeFooter =
    "Aggregation of Experts: what the models share is averaged, gates are put together, experts united. The\n"
    "models may have different numbers of experts; all else must be the same. The result is a checkpoint;\n"
    "its path is printed. It should be trained on: each gate now shares its probability out over more experts.\n\n"
    "Example: two models of 8 experts become one of 16, which learns on\n"
    "  polymoe merge first second --out merged\n"
    "  polymoe train --init merged --data.path data --out united --max-updates 5000\n"
    "The same with Adam's moments, which only numbered checkpoints have\n"
    "  polymoe merge first/checkpoint-0005000 second/checkpoint-0005000 --optimizer merge --out merged\n"
    "  polymoe train --init merged --init-optimizer --data.path data --out united --max-updates 5000";

}  // namespace

void add_merge(CLI::App& app) {
  CLI::App* command = app.add_subcommand("merge", "Unite the experts of several models in one");
  const auto options = std::make_shared<AggregateOptions>();
  const auto optimizer = std::make_shared<std::string>("drop");
  command->add_option("PATH", options->checkpoints, "checkpoints, or run folders, which stand for their best ones")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--weights", options->weights, "how much each counts in what they share; all alike where not given")
      ->delimiter(',')
      ->option_text("LIST");
  command->add_option("--optimizer", *optimizer, "what becomes of the optimiser state")
      ->check(CLI::IsMember({"merge", "drop"}))
      ->capture_default_str();
  command->add_option("--out,-o", options->output, "folder for the new checkpoint")->required()->type_name("DIR");
  command->footer(kMergeFooter);
  command->callback([options, optimizer] {
    options->merge_optimizer = *optimizer == "merge";
    aggregate_experts(*options, console_progress());
    fmt::print("{}\n", options->output.string());
  });
}

}  // namespace polymoe::cli
