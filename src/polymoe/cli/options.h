#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "polymoe/config/field.h"
#include "polymoe/config/planner_options.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace polymoe::cli {

/// --precision, of what computes with the modules that are trained, and --device, with the values given as defaults.
void add_precision(CLI::App& app, std::string& precision);
void add_device(CLI::App& app, std::string& device);
/// --no-verify, of subcommands that compute with a checkpoint: sets `verify` to false.
void add_no_verify(CLI::App& app, bool& verify);

/// Puts the configuration's tables on a subcommand: every key as `--model.hidden`, and as `--hidden` for the first
/// section that has that last part; booleans also as `--no-...`; `--config FILE` and `--dump-config`.
///
///   auto binder = std::make_shared<OptionBinder>(*command);             // or (*command, {"decode"})
///   command->callback([binder] {
///     const RunOptions& options = binder->finish();
///     if (binder->dump_requested()) { fmt::print("{}", binder->dump()); return; }
///     ...
///   });
class OptionBinder {
 public:
  /// `sections`: those that this subcommand shows; empty: those of a run. A file given with --config may hold every
  /// section, so that the file of a training run also serves other subcommands. `other_names`: by full key, one more
  /// name on the command line, for subcommands that should sound like the others.
  explicit OptionBinder(CLI::App& app, const std::vector<std::string>& sections = {},
                        const PlannerOptions& defaults = {},
                        const std::map<std::string, std::string>& other_names = {});
  OptionBinder(const OptionBinder&) = delete;
  OptionBinder& operator=(const OptionBinder&) = delete;

  /// Better defaults, once it is known what was given; false: there are none.
  using Refine = std::function<bool(const PlannerOptions& merged, PlannerOptions& defaults)>;

  /// Merges defaults, preset, file and command line, and validates. Call once, in the subcommand's callback. With
  /// `refine` it does so again where that finds better defaults. Throws Error.
  const PlannerOptions& finish(const Refine& refine = {});

  /// The keys that the file or the command line gave.
  const GivenKeys& given() const { return given_; }

  /// The file of --config; empty without one.
  const std::string& config_path() const { return config_path_; }

  bool dump_requested() const { return dump_; }
  /// The shown sections as YAML.
  std::string dump();

 private:
  std::vector<Section> shown_sections(PlannerOptions& options) const;

  PlannerOptions options_;
  std::vector<std::string> shown_;
  std::map<std::string, CLI::Option*> bound_;  // by full key
  std::string config_path_;
  bool dump_ = false;
  GivenKeys given_;
};

/// Gives a subcommand the options of `sections`, and calls run() with them merged, or prints them for --dump-config.
void run_with_options(CLI::App& app, const std::vector<std::string>& sections,
                      std::function<void(const RunOptions& options, const GivenKeys& given)> run);

}  // namespace polymoe::cli
