#include "polymoe/cli/options.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/core.h>
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "polymoe/cli/help.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/merge.h"
#include "polymoe/config/sections.h"

namespace polymoe::cli {
namespace {

std::string value_word(const Field& field) {
  if (std::holds_alternative<std::int64_t*>(field.target)) return "N";
  if (std::holds_alternative<double*>(field.target)) return "X";
  if (!field.choices.empty()) return "WORD";
  return std::holds_alternative<std::string*>(field.target) ? "TEXT" : "LIST";
}

CLI::Option* add_field(CLI::App& app, const std::string& section, const Field& field, bool has_short_name,
                       const std::string& other_name) {
  const std::string name = section + "." + field.key;
  std::string help = field.help;
  if (std::holds_alternative<bool*>(field.target)) {
    std::string names = fmt::format("--{},!--{}.no-{}", name, section, field.key);
    if (has_short_name) names = fmt::format("--{0},!--no-{0},{1}", field.key, names);
    return app.add_flag(names)->description(help)->option_text(fmt::format("({})", yaml_value(field)));
  }
  if (!field.choices.empty()) help += ": " + describe_values(field);
  std::string names = has_short_name ? fmt::format("--{},--{}", field.key, name) : "--" + name;
  if (!other_name.empty()) names += ",--" + other_name;
  CLI::Option* option = app.add_option(names, CLI::callback_t{}, help);
  option->option_text(fmt::format("{} ({})", value_word(field), yaml_value(field)));
  // Any number of times with one value each: lists take all of them, other options the last.
  return option->expected(1, CLI::detail::expected_max_vector_size)->allow_extra_args(false);
}

Assignment given_on_command_line(const std::string& key, const CLI::Option& option, const Field& field) {
  const std::vector<std::string>& results = option.results();
  const bool is_list = std::holds_alternative<std::vector<std::string>*>(field.target) ||
                       std::holds_alternative<std::vector<std::int64_t>*>(field.target);
  return {
      key, {is_list ? CLI::detail::join(results, ",") : results.back()}, Assignment::Kind::kValue, {"command line", 0}};
}

}  // namespace

void add_precision(CLI::App& app, std::string& precision) {
  app.add_option("--precision", precision, "number format of weights and activations")
      ->check(CLI::IsMember({"float32", "bfloat16", "float16"}))
      ->capture_default_str();
}

void add_device(CLI::App& app, std::string& device) {
  app.add_option("--device", device, "where the model lives")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
}

void add_no_verify(CLI::App& app, bool& verify) {
  app.add_flag("!--no-verify", verify, "take the checkpoint without comparing its checksums, for a faster start");
}

OptionBinder::OptionBinder(CLI::App& app, const std::vector<std::string>& sections, const PlannerOptions& defaults,
                           const std::map<std::string, std::string>& other_names)
    : options_(defaults), shown_(sections) {
  app.formatter(help_formatter());
  app.add_option("--config", config_path_, "YAML file with any of the keys below; the command line wins over it")
      ->option_text("FILE")
      ->group("Configuration");
  app.add_flag("--dump-config", dump_, "print the merged configuration as YAML and do nothing else")
      ->group("Configuration");
  for (const Section& section : shown_sections(options_)) {
    for (const Field& field : section.fields) {
      const bool is_free = app.get_option_no_throw("--" + field.key) == nullptr;
      const std::string key = section.name + "." + field.key;
      const auto other_name = other_names.find(key);
      CLI::Option* option =
          add_field(app, section.name, field, is_free, other_name == other_names.end() ? "" : other_name->second);
      option->group(fmt::format("{} ({}; each also as --{}.NAME)", section.name, section.help, section.name));
      bound_[key] = option;
      if (!field.former_key.empty()) {
        const std::string former = section.name + "." + field.former_key;
        bound_[former] = app.add_option("--" + former, CLI::callback_t{})->group("");  // not in the help
      }
    }
  }
}

const PlannerOptions& OptionBinder::finish(const Refine& refine) {
  std::vector<Assignment> overrides;
  for (const Section& section : shown_sections(options_)) {
    for (const Field& field : section.fields) {
      for (const std::string& name : {field.former_key, field.key}) {
        if (name.empty()) continue;
        const std::string key = section.name + "." + name;
        const CLI::Option& option = *bound_.at(key);
        if (option.count() > 0) overrides.push_back(given_on_command_line(key, option, field));
      }
    }
  }
  const std::optional<std::string> path = config_path_.empty() ? std::nullopt : std::optional(config_path_);
  LoadedOptions loaded = load_run_options(path, overrides, options_);
  if (refine && refine(loaded.options, options_)) loaded = load_run_options(path, overrides, options_);
  options_ = std::move(loaded.options);
  given_ = std::move(loaded.given);
  return options_;
}

std::string OptionBinder::dump() { return dump_yaml(shown_sections(options_)); }

std::vector<Section> OptionBinder::shown_sections(PlannerOptions& options) const {
  std::vector<Section> sections = sections_of(options);
  const auto is_hidden = [&](const Section& section) {
    return shown_.empty() ? section.name == "cluster"
                          : std::find(shown_.begin(), shown_.end(), section.name) == shown_.end();
  };
  sections.erase(std::remove_if(sections.begin(), sections.end(), is_hidden), sections.end());
  return sections;
}

void run_with_options(CLI::App& app, const std::vector<std::string>& sections,
                      std::function<void(const RunOptions& options, const GivenKeys& given)> run) {
  const auto binder = std::make_shared<OptionBinder>(app, sections);
  app.callback([binder, run = std::move(run)] {
    const RunOptions& options = binder->finish();
    if (binder->dump_requested()) {
      fmt::print("{}", binder->dump());
    } else {
      run(options, binder->given());
    }
  });
}

}  // namespace polymoe::cli
