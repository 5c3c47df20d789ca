#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/log.h"
#include "polymoe/base/remarks.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/options.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/merge.h"
#include "polymoe/config/rewrite.h"
#include "polymoe/config/sections.h"
#include "polymoe/config/yaml_reader.h"
#include "polymoe/data/dataset.h"
#include "polymoe/plan/search.h"

namespace polymoe::cli {
namespace {

double gigabytes(std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; }

// "3.46 T", "0.74 B".
std::string parameters_text(std::int64_t count) {
  const double value = static_cast<double>(count);
  if (value >= 1e12) return fmt::format("{:.2f} T", value / 1e12);
  if (value >= 1e9) return fmt::format("{:.2f} B", value / 1e9);
  return fmt::format("{:.2f} M", value / 1e6);
}

nlohmann::json to_json(const Plan& plan) {
  const MemoryPlan& memory = plan.memory;
  const StepTime& time = plan.time;
  return {{"layout", plan.name()},
          {"fits", plan.fits},
          {"parameters", plan.parameters},
          {"bytes",
           {{"weights", memory.weights},
            {"gradients", memory.gradients},
            {"optimizer", memory.optimizer},
            {"activations", memory.activations},
            {"buffers", memory.buffers},
            {"device", memory.device()},
            {"host", memory.host},
            {"host_in_update", memory.host_in_update},
            {"host_activations", memory.host_activations},
            {"disk", memory.disk},
            {"device_and_host", memory.together()}}},
          {"seconds",
           {{"compute", time.compute},
            {"exchange", time.exchange},
            {"slices", time.slices},
            {"gradients", time.gradients},
            {"offload", time.offload},
            {"update", time.update},
            {"total", time.total()}}}};
}

void print_details(const Plan& plan) {
  const MemoryPlan& memory = plan.memory;
  const StepTime& time = plan.time;
  fmt::print("{} parameters, {} processes as {}\n\n", parameters_text(plan.parameters), plan.degrees.world(),
             plan.name());
  fmt::print("memory of a process, GB\n");
  const auto row = [](const char* what, double value) { fmt::print("  {:<14}{:>10.3f}\n", what, value); };
  row("weights", gigabytes(memory.weights));
  row("gradients", gigabytes(memory.gradients));
  row("optimizer", gigabytes(memory.optimizer));
  row("activations", gigabytes(memory.activations));
  row("buffers", gigabytes(memory.buffers));
  row("device", gigabytes(memory.device()));
  row("host", gigabytes(memory.host_peak()));
  row("disk", gigabytes(memory.disk));
  fmt::print("an update, seconds\n");
  row("compute", time.compute);
  row("experts", time.exchange);
  row("slices", time.slices);
  row("gradients", time.gradients);
  row("offload", time.offload);
  row("update", time.update);
  row("total", time.total());
  const char* whose = plan.options.cluster.device_memory > 0 ? "a device" : "the node's memory for a process";
  fmt::print("{}: {:.3f} of {:.3f} GB of {}\n", plan.fits ? "fits" : "does not fit", gigabytes(plan.needed),
             gigabytes(plan.available), whose);
}

void print_table_head() {
  fmt::print("{:<34}{:>12}{:>9}{:>9}{:>9}{:>12}{:>11}\n", "layout", "device GB", "host GB", "disk GB", "update s",
             "tokens/s", "parameters");
}

void print_row(const std::string& name, const Plan& plan) {
  const TrainOptions& train = plan.options.train;
  const double tokens = static_cast<double>(train.max_tokens * train.micro_batches) / 2;
  fmt::print("{:<34}{:>12.2f}{:>9.1f}{:>9.1f}{:>9.3f}{:>12.0f}{:>11}{}\n", name, gigabytes(plan.memory.device()),
             gigabytes(plan.memory.host_peak()), gigabytes(plan.memory.disk), plan.time.total(),
             tokens / plan.time.total(), parameters_text(plan.parameters), plan.fits ? "" : "   does not fit");
}

// A block of YAML as "name: {key: value, key: value} ".
std::string on_one_line(const std::string& block) {
  std::string line;
  for (std::size_t at = 0; at < block.size();) {
    const std::size_t end = block.find('\n', at);
    const std::string part = block.substr(at, end - at);
    line += part[0] != ' ' ? part + " {" : fmt::format("{}{}", line.ends_with('{') ? "" : ", ", part.substr(2));
    at = end + 1;
  }
  return line.empty() ? line : line + "} ";
}

// What a layout sets.
std::vector<Section> layout_sections(PlannerOptions& options) {
  std::vector<Section> sections = sections_of(options);
  std::erase_if(sections, [](const Section& s) { return s.name != "parallel" && s.name != "offload"; });
  return sections;
}

bool says(const std::string& yaml, const std::string& name, const std::vector<Section>& layout) {
  try {
    PlannerOptions read;
    std::vector<Section> sections = sections_of(read);
    for (const Assignment& assignment : parse_yaml(yaml, name)) set_option(sections, assignment);
    return dump_yaml(layout_sections(read)) == dump_yaml(layout);
  } catch (const Error&) {
    return false;
  }
}

// As YAML has them: at the beginning of a line or behind a blank. It may take a '#' in quotes for one.
std::size_t count_comments(const std::string& yaml) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < yaml.size(); ++i) {
    if (yaml[i] == '#' && (i == 0 || yaml[i - 1] == ' ' || yaml[i - 1] == '\t' || yaml[i - 1] == '\n')) ++count;
  }
  return count;
}

// Writes parallel: and offload: of a plan into a file. What comes out is read before the file changes: YAML has
// more ways to write a section than with_section() knows.
void apply(const std::string& config, const Plan& plan) {
  PlannerOptions options = plan.options, fresh;
  const std::vector<Section> sections = layout_sections(options), defaults = layout_sections(fresh);
  const std::filesystem::path target = std::filesystem::canonical(config);  // behind a link
  const std::string before = read_file(target);
  std::string yaml = before, wanted;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    yaml = with_section(yaml, sections[i], defaults[i]);
    wanted += on_one_line(with_section("", sections[i], defaults[i]));
  }
  if (says(yaml, target.string(), sections)) {
    write_file(target, yaml);
    const std::size_t had = count_comments(before), has = count_comments(yaml);
    if (had > has) {
      remark(fmt::format("comments in its sections parallel and offload are gone: {}", had - has), {target, 0});
    }
    return;
  }
  throw Error("its sections parallel and offload are not written in a way that --apply can replace", {target, 0},
              fmt::format("put this in their place yourself: {}", wanted));
}

void complete_model(PlannerOptions& options) {
  if (options.model.vocabulary > 0) return;
  if (options.data.path.empty()) {
    throw Error("model.vocabulary: the planner must know how many entries the vocabulary has", {},
                "give model.vocabulary, or data.path with a prepared dataset");
  }
  options.model.vocabulary = Dataset(options.data.path).vocabulary().size();
}

// What would make the times of layouts meaningless.
void warn_of_likely_slips(const PlannerOptions& options, const GivenKeys& given) {
  if (options.train.precision == NumberFormat::kFloat32 && given.count("cluster.peak-tflops") == 0) {
    log_warning("train.precision is float32, but cluster.peak-tflops is that of 16-bit formats; give both");
  }
  if (options.train.micro_batches < options.cluster.devices) {
    log_warning("train.micro-batches is {}, so in an update some of {} devices may have none; give as many as devices",
                options.train.micro_batches, options.cluster.devices);
  }
}

struct Wishes {
  bool apply = false, largest = false, json = false, this_layout = false;
  int layouts = 10;
};

void show_largest(const PlannerOptions& options, const Wishes& wishes) {
  const std::vector<LargestModel> models = largest_models(options);
  if (wishes.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const LargestModel& model : models) {
      nlohmann::json entry = to_json(model.plan);
      entry["mode"] = model.mode;
      entry["ended_by_search"] = model.ended_by_search;
      entry["experts"] = model.plan.options.model.moe.experts;
      entry["encoder_layers"] = model.plan.options.model.encoder_layers;
      list.push_back(entry);
    }
    fmt::print("{}\n", dump_json(list, 1));
    return;
  }
  if (models.empty()) fail("not even the smallest model of this family fits in any mode");
  print_table_head();
  for (const LargestModel& model : models) {
    const char* end = model.ended_by_search ? " (the search ends here)" : "";
    print_row(fmt::format("{}: {}{}", model.mode, model.plan.name(), end), model.plan);
  }
}

void show_layouts(const PlannerOptions& options, const Wishes& wishes, const std::string& config) {
  const std::vector<Plan> plans = rank_plans(options);
  if (wishes.apply) {
    if (config.empty()) fail("--apply writes to the file of --config, which is not given");
    if (!plans.front().fits) {
      throw Error("no layout fits, so there is nothing to apply", {},
                  "more devices, or a smaller model or train.max-tokens");
    }
    apply(config, plans.front());
  }
  const std::size_t shown = std::min(plans.size(), static_cast<std::size_t>(wishes.layouts));
  if (wishes.json) {
    nlohmann::json list = nlohmann::json::array();
    for (std::size_t i = 0; i < shown; ++i) list.push_back(to_json(plans[i]));
    fmt::print("{}\n", dump_json(list, 1));
    return;
  }
  print_table_head();
  for (std::size_t i = 0; i < shown; ++i) print_row(plans[i].name(), plans[i]);
}

}  // namespace

void add_plan(CLI::App& app) {
  CLI::App* command = app.add_subcommand("plan", "Tell what fits a cluster, and which layout is the fastest");
  command->footer(
      "Nothing is trained and nothing large is allocated: parameters are counted, activations and times are formulas\n"
      "(docs/planner.md). cluster.* describes the machines; the defaults are nodes of eight A100 with 40 GB.\n\n"
      "Examples:\n"
      "  the layouts of a configuration on 64 devices, the fastest first\n"
      "    polymoe plan --config run.yaml --cluster.devices 64\n"
      "  the best of them written into the file\n"
      "    polymoe plan --config run.yaml --cluster.devices 64 --apply\n"
      "  the memory and the time of the layout that the file says, part by part\n"
      "    polymoe plan --config run.yaml --cluster.devices 64 --this-layout\n"
      "  how large a model can be in each mode: more experts, or in a dense model more layers\n"
      "    polymoe plan --preset z-code-m3 --vocabulary 250000 --experts 64 --cluster.devices 512 --largest");
  auto binder = std::make_shared<OptionBinder>(
      *command, std::vector<std::string>{"model", "model.moe", "data", "train", "parallel", "offload", "cluster"});
  auto wishes = std::make_shared<Wishes>();
  command->add_flag("--this-layout", wishes->this_layout, "the layout that parallel.* and offload.* say, in detail");
  command->add_flag("--largest", wishes->largest, "the largest model of the family that fits, by mode");
  command->add_flag("--apply", wishes->apply, "write parallel: and offload: of the best layout into the --config file");
  command->add_flag("--json", wishes->json, "print JSON");
  command->add_option("--layouts", wishes->layouts, "so many layouts, the best first")
      ->option_text("N (10)")
      ->check(CLI::Range(1, 1 << 20));
  command->callback([binder, wishes] {
    PlannerOptions options = binder->finish();
    if (binder->dump_requested()) {
      fmt::print("{}", binder->dump());
      return;
    }
    if (wishes->apply && (wishes->largest || wishes->this_layout)) {
      fail("--apply writes the best layout; leave out --largest and --this-layout");
    }
    complete_model(options);
    if (!wishes->this_layout) warn_of_likely_slips(options, binder->given());
    if (wishes->largest) {
      show_largest(options, *wishes);
    } else if (wishes->this_layout) {
      const Plan plan = plan_of(options);
      wishes->json ? fmt::print("{}\n", dump_json(to_json(plan), 1)) : print_details(plan);
    } else {
      show_layouts(options, *wishes, binder->config_path());
    }
  });
}

}  // namespace polymoe::cli
