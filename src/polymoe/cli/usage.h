#pragma once

#include <string>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace polymoe::cli {

/// One line for a mistake on the command line: what is wrong, the nearest right option or subcommand, and where help
/// is. `app` is the program, after the parse that failed with `error`.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error);

}  // namespace polymoe::cli
