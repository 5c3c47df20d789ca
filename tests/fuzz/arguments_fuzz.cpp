// The lines of the input as the arguments of a subcommand that takes keys of the configuration: a message of one line,
// or options whose dump loads back to themselves.

#include <algorithm>
#include <vector>

#include <CLI/CLI.hpp>

#include "fuzz/scratch.h"
#include "polymoe/cli/options.h"
#include "polymoe/cli/usage.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/merge.h"
#include "polymoe/config/sections.h"
#include "polymoe/config/yaml_reader.h"

namespace {

/// Values of every type, few enough to try many inputs.
const std::vector<std::string> kSections = {"model", "model.moe", "data"};

std::string dump_of(const std::string& yaml) {
  polymoe::PlannerOptions options;
  std::vector<polymoe::Section> sections = polymoe::sections_of(options);
  std::erase_if(sections, [](const polymoe::Section& section) {
    return std::find(kSections.begin(), kSections.end(), section.name) == kSections.end();
  });
  for (const polymoe::Assignment& assignment : polymoe::parse_yaml(yaml, "fuzz")) {
    polymoe::set_option(sections, assignment);
  }
  return polymoe::dump_yaml(sections);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> arguments;
  std::string_view rest = polymoe::text_of(data, size);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    arguments.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (arguments.back().starts_with("--config")) return 0;  // may name any file of the machine
  }
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them

  CLI::App app{"", "polymoe"};
  CLI::App* const train = app.add_subcommand("train");
  app.require_subcommand(1);
  polymoe::cli::OptionBinder binder(*train, kSections);
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    const std::string message = polymoe::cli::usage_error(app, error);
    polymoe::require(!message.empty() && message.find_first_of("\r\n") == std::string::npos);
    return 0;
  }
  if (!polymoe::loads([&] { binder.finish(); })) return 0;
  const std::string dump = binder.dump();
  polymoe::require(dump_of(dump) == dump);
  return 0;
}
