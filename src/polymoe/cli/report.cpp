#include <filesystem>
#include <iostream>
#include <memory>
#include <string_view>
#include <vector>

#include "polymoe/cli/commands.h"
#include "polymoe/cli/output_file.h"
#include "polymoe/report/html_report.h"

namespace polymoe::cli {

void add_report(CLI::App& app) {
  struct Options {
    std::vector<std::filesystem::path> runs;
    std::filesystem::path out;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("report", "Write the HTML report of a training run, or of several side by side");
  command
      ->add_option("RUN_DIR", options->runs, "Folders that `polymoe train` wrote; others are compared with the first")
      ->required();
  command->add_option("--out", options->out, "The HTML file (default: report.html in the first folder)")
      ->type_name("FILE");
  command->callback([options] {
    const std::filesystem::path out = options->out.empty() ? options->runs.front() / "report.html" : options->out;
    if (!options->out.empty()) {
      check_output_file(out, "a report", [](std::string_view text) { return text.starts_with("<!DOCTYPE html>"); });
    }
    write_html_report(options->runs, out);
    std::cout << out.string() << '\n';
  });
}

}  // namespace polymoe::cli
