#include <filesystem>
#include <memory>
#include <string>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/surgery/upcycle.h"

namespace polymoe::cli {
namespace {

constexpr const char* kUpcycleFooter =
    "The experts of a layer are copies of its feed-forward block, scaled so that the new model starts near where\n"
    "the dense one ended (docs/surgery.md). They become different by what they are trained on, and by --noise.\n"
    "The result is a checkpoint; its path is printed.\n\n"
    "Example: 8 experts in every second layer, which then learn\n"
    "  polymoe upcycle dense --experts 8 --out upcycled\n"
    "  polymoe train --init upcycled --data.path data --out moe --max-updates 5000";

}  // namespace

void add_upcycle(CLI::App& app) {
  CLI::App* command = app.add_subcommand("upcycle", "Make a Mixture-of-Experts model of a dense one");
  const auto options = std::make_shared<UpcycleOptions>();
  const auto side = std::make_shared<std::string>(word_of(options->side));
  command->add_option("PATH", options->checkpoint, "a dense checkpoint, or a run folder, which stands for its best one")
      ->required()
      ->type_name("DIR");
  command->add_option("--experts", options->experts, "experts in each MoE layer")
      ->required()
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{65536}))
      ->type_name("N");
  command->add_option("--every", options->every, "every n-th layer of a side becomes a MoE layer")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1024}))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--side", *side, "which side gets MoE layers")
      ->check(CLI::IsMember(words_of<MoeSide>()))
      ->capture_default_str();
  command->add_option("--top-k", options->top_k, "experts that a token goes to")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{2}))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--noise", options->noise, "multiply each weight of an expert by a number of U(1 - X, 1 + X)")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("X")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "seed of gates and noise")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--out,-o", options->output, "folder for the new checkpoint")->required()->type_name("DIR");
  command->footer(kUpcycleFooter);
  command->callback([options, side] {
    options->side = from_word<MoeSide>(*side);
    upcycle(*options, console_progress());
    fmt::print("{}\n", options->output.string());
  });
}

}  // namespace polymoe::cli
