#include <memory>

#include <fmt/core.h>

#include "polymoe/cli/commands.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/planner_options.h"
#include "polymoe/config/sections.h"

namespace polymoe::cli {

void add_config(CLI::App& app) {
  CLI::App* command = app.add_subcommand("config", "Print every configuration key with its default");
  auto markdown = std::make_shared<bool>(false);
  command->add_flag("--markdown", *markdown, "as Markdown tables instead of YAML");
  command->callback([markdown] {
    PlannerOptions options;
    const std::vector<Section> sections = sections_of(options);
    fmt::print("{}", *markdown ? dump_markdown(sections) : dump_yaml(sections));
  });
}

}  // namespace polymoe::cli
