#include "polymoe/cli/usage.h"

#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "polymoe/base/quote.h"
#include "polymoe/config/nearest.h"

namespace polymoe::cli {
namespace {

/// The subcommand that was being read when parsing failed, or the program itself.
const CLI::App* last_parsed(const CLI::App& app) {
  const CLI::App* current = &app;
  while (!current->get_subcommands().empty()) current = current->get_subcommands().back();
  return current;
}

std::string full_name(const CLI::App* app) {
  const std::string& name = app->get_name();
  return app->get_parent() == nullptr ? name : full_name(app->get_parent()) + " " + name;
}

/// The options that `app` takes, its own and those of the commands that it is part of.
std::vector<std::string> option_names(const CLI::App* app) {
  std::vector<std::string> names;
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back(name);
    }
  }
  return names;
}

std::vector<std::string> subcommand_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* subcommand : app.get_subcommands({})) names.push_back(subcommand->get_name());
  return names;
}

/// The argument that nothing on the command line could use: the first of those that look like options, or the first.
std::string unused_argument(const CLI::App& app) {
  const std::vector<std::string> unused = app.remaining(true);
  for (const std::string& argument : unused) {
    if (argument.starts_with("-")) return argument;
  }
  return unused.empty() ? "" : unused.front();
}

/// "--format: doc not in {auto,text}" and "--threads: Value -3 not in range 0 to 8" in words like those of other
/// errors.
std::string quote_value(const std::string& text) {
  const std::size_t colon = text.find(": ");
  if (colon == std::string::npos) return text;
  const std::string option = text.substr(0, colon);
  const std::string_view rest = std::string_view(text).substr(colon + 2);
  constexpr std::string_view kNone = " not in {", kRange = " not in range ", kValue = "Value ";
  if (const std::size_t at = rest.find(kNone); at != std::string_view::npos && rest.ends_with('}')) {
    std::string choices(rest.substr(at + kNone.size(), rest.size() - at - kNone.size() - 1));
    for (std::size_t comma = 0; (comma = choices.find(',', comma)) != std::string::npos; comma += 2) {
      choices.insert(comma + 1, " ");
    }
    return fmt::format("{}: {} is none of its choices: {}", option, in_quotes(rest.substr(0, at)), choices);
  }
  if (const std::size_t at = rest.find(kRange); at != std::string_view::npos && rest.starts_with(kValue)) {
    return fmt::format("{}: {} is no number from {}", option, in_quotes(rest.substr(kValue.size(), at - kValue.size())),
                       rest.substr(at + kRange.size()));
  }
  return text;
}

/// CLI11's own words where they are clear.
std::string cli11_message(const CLI::App& command, const CLI::ParseError& error) {
  const std::string text = error.what();
  const bool needs_value = dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && text.ends_with("missing");
  if (needs_value) return text.substr(0, text.find(':')) + " needs a value";
  constexpr std::string_view kTimes = ": At Most 1 required but received ";
  if (const std::size_t at = text.find(kTimes); at != std::string::npos) {
    return fmt::format("{} is given {} times", text.substr(0, at), text.substr(at + kTimes.size()));
  }
  const bool needs_subcommand = error.get_name() == "RequiredError" && command.get_subcommands().empty() &&
                                command.get_require_subcommand_min() > 0;
  if (needs_subcommand) return fmt::format("a subcommand is missing: {}", fmt::join(subcommand_names(command), ", "));
  return quote_value(text.substr(0, text.find('\n')));
}

}  // namespace

std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = last_parsed(app);
  std::string unused = unused_argument(app);
  if (unused.starts_with("-")) unused = unused.substr(0, unused.find('='));
  std::string message, near;
  if (unused.starts_with("--")) {
    message = "unknown option " + in_quotes(unused);
    near = nearest(std::string_view(unused).substr(2), option_names(command));
    if (!near.empty()) near = "--" + near;
  } else if (unused.starts_with("-")) {
    message = "unknown option " + in_quotes(unused);
  } else if (!unused.empty() && !subcommand_names(*command).empty()) {
    message = "unknown subcommand " + in_quotes(unused);
    near = nearest(unused, subcommand_names(*command));
  } else if (!unused.empty()) {
    message = "unexpected argument " + in_quotes(unused);
  } else {
    message = cli11_message(*command, error);
  }
  const std::string help = fmt::format("see `{} --help`", full_name(command));
  return fmt::format("{}; {}", message, near.empty() ? help : fmt::format("did you mean '{}'?", near));
}

}  // namespace polymoe::cli
