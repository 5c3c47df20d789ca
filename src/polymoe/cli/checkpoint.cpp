#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fnmatch.h>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/quote.h"
#include "polymoe/checkpoint/expert_name.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/cli/progress_text.h"
#include "polymoe/config/run_options.h"

namespace polymoe::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct CheckpointArguments {
  std::string path;
  bool list_tensors = false;
  std::string pattern;  ///< of the names to list
  bool json = false;
};

struct Parameters {
  std::int64_t total = 0;
  std::int64_t expert = 0;
  std::optional<std::int64_t> active;  ///< those that one token meets, where the configuration tells
};

struct Size {
  std::size_t tensors = 0;
  std::uint64_t bytes = 0;
};

Checkpoint open_headers(const std::string& path) { return Checkpoint::open(resolve_checkpoint(path), Check::kHeaders); }

Size size_of(const Checkpoint& checkpoint, const std::string& group) {
  Size size;
  for (const std::string& name : checkpoint.names(group)) {
    ++size.tensors;
    size.bytes += tensor_bytes(checkpoint.spec(group, name));
  }
  return size;
}

Parameters parameters_of(const Checkpoint& checkpoint) {
  Parameters parameters;
  std::optional<std::int64_t> top_k;
  try {
    top_k = options_of(checkpoint).model.moe.top_k;
    parameters.active = 0;
  } catch (const Error&) {
    // made by another program, or with keys that this one does not know: all else can be told
  }
  const std::string weights = quantized_to(checkpoint);
  for (const std::string& name : checkpoint.names("model")) {
    if (!weights.empty() && name.ends_with(scales_name(""))) continue;  // how weights are stored
    const TensorSpec& spec = checkpoint.spec("model", name);
    const bool in_pairs = weights == "int4" && spec.dtype == Dtype::kU8;
    const std::int64_t elements = num_elements(spec) * (in_pairs ? 2 : 1);
    const std::optional<ExpertName> expert = parse_expert_name(name);
    parameters.total += elements;
    if (expert) parameters.expert += elements;
    // The experts of a layer are equally large: any top_k of them tell what a token meets.
    if (parameters.active && (!expert || expert->expert < *top_k)) *parameters.active += elements;
  }
  return parameters;
}

std::string shape_text(const TensorSpec& spec) { return fmt::format("[{}]", fmt::join(spec.shape, ",")); }

/// Calls f(group, spec) for each tensor whose name contains the pattern.
template <typename Function>
void for_each_match(const Checkpoint& checkpoint, const std::string& pattern, Function f) {
  const std::string anywhere = "*" + pattern + "*";
  for (const std::string& group : checkpoint.groups()) {
    for (const std::string& name : checkpoint.names(group)) {
      if (fnmatch(anywhere.c_str(), name.c_str(), 0) == 0) f(group, checkpoint.spec(group, name));
    }
  }
}

/// With tabs between, as cut and sort like it.
void print_tensors(const Checkpoint& checkpoint, const std::string& pattern) {
  fmt::print("group\tname\ttype\tshape\tbytes\n");
  for_each_match(checkpoint, pattern, [](const std::string& group, const TensorSpec& spec) {
    fmt::print("{}\t{}\t{}\t{}\t{}\n", group, one_line(spec.name), dtype_name(spec.dtype), shape_text(spec),
               tensor_bytes(spec));
  });
}

/// A number of the meta data; null where the checkpoint has none.
nlohmann::json number(const Checkpoint& checkpoint, const char* key) {
  const nlohmann::json& meta = checkpoint.meta();
  const auto found = meta.is_object() ? meta.find(key) : meta.end();
  return found != meta.end() && found->is_number() ? *found : nlohmann::json();
}

/// Of a checkpoint that was made of others, the command and them: "by merge of a, b".
std::string origin_text(const Checkpoint& checkpoint) {
  const nlohmann::json& meta = checkpoint.meta();
  if (!meta.is_object() || !meta.contains("origin")) return "";
  try {
    std::vector<std::string> paths;
    for (const nlohmann::json& source : meta["origin"].at("sources")) {
      paths.push_back(one_line(source.at("path").get<std::string>()));
    }
    return fmt::format("by {} of {}", one_line(meta["origin"].at("command").get<std::string>()),
                       fmt::join(paths, ", "));
  } catch (const nlohmann::json::exception&) {
    return "";  // another program's
  }
}

void print_json(const Checkpoint& checkpoint, const CheckpointArguments& arguments) {
  const Parameters parameters = parameters_of(checkpoint);
  ordered_json output = {{"checkpoint", checkpoint.path().string()},
                         {"update", number(checkpoint, "update")},
                         {"target_tokens", number(checkpoint, "target_tokens")},
                         {"seconds", number(checkpoint, "seconds")},
                         {"parameters",
                          {{"total", parameters.total},
                           {"dense", parameters.total - parameters.expert},
                           {"expert", parameters.expert},
                           {"active", parameters.active ? ordered_json(*parameters.active) : ordered_json()}}},
                         {"groups", ordered_json::object()},
                         {"shards", ordered_json::array()}};
  for (const std::string& group : checkpoint.groups()) {
    const Size size = size_of(checkpoint, group);
    output["groups"][group] = {{"tensors", size.tensors}, {"bytes", size.bytes}};
  }
  for (const CheckpointShard& shard : checkpoint.shards()) {
    output["shards"].push_back({{"file", shard.file}, {"bytes", shard.bytes}, {"crc32", shard.crc32}});
  }
  if (checkpoint.meta().is_object() && checkpoint.meta().contains("origin")) {
    output["origin"] = checkpoint.meta()["origin"];
  }
  if (arguments.list_tensors) {
    ordered_json& tensors = output["tensors"] = ordered_json::array();
    for_each_match(checkpoint, arguments.pattern, [&](const std::string& group, const TensorSpec& spec) {
      tensors.push_back({{"group", group},
                         {"name", spec.name},
                         {"type", dtype_name(spec.dtype)},
                         {"shape", spec.shape},
                         {"bytes", tensor_bytes(spec)}});
    });
  }
  fmt::print("{}\n", dump_json(output, 2));
}

void print_summary(const Checkpoint& checkpoint) {
  const Parameters parameters = parameters_of(checkpoint);
  const auto line = [](const char* label, const std::string& text) { fmt::print("{:<14} {}\n", label, text); };
  const auto count = [](std::int64_t n) { return n < 1000 ? std::to_string(n) : human_number(static_cast<double>(n)); };
  line("checkpoint", one_line(checkpoint.path().string()));
  const nlohmann::json update = number(checkpoint, "update"), tokens = number(checkpoint, "target_tokens"),
                       seconds = number(checkpoint, "seconds");
  if (!update.is_null()) line("update", dump_json(update));
  if (!tokens.is_null()) line("target tokens", dump_json(tokens));
  if (!seconds.is_null()) line("time", human_time(seconds.get<double>()));
  if (const std::string origin = origin_text(checkpoint); !origin.empty()) line("made", origin);
  std::string text = fmt::format("{} ({} dense, {} in experts", count(parameters.total),
                                 count(parameters.total - parameters.expert), count(parameters.expert));
  if (parameters.active) text += fmt::format("; {} active for a token", count(*parameters.active));
  line("parameters", text + ")");

  fmt::print("\n{:<12} {:>8} {:>15}\n", "group", "tensors", "bytes");
  for (const std::string& group : checkpoint.groups()) {
    const Size size = size_of(checkpoint, group);
    fmt::print("{:<12} {:>8} {:>15}\n", group, size.tensors, size.bytes);
  }
  fmt::print("\n{:<40} {:>15}\n", "shard", "bytes");
  for (const CheckpointShard& shard : checkpoint.shards()) fmt::print("{:<40} {:>15}\n", shard.file, shard.bytes);
}

void inspect(const CheckpointArguments& arguments) {
  const Checkpoint checkpoint = open_headers(arguments.path);
  if (arguments.json) {
    print_json(checkpoint, arguments);
  } else if (arguments.list_tensors) {
    print_tensors(checkpoint, arguments.pattern);
  } else {
    print_summary(checkpoint);
  }
}

void verify_one(const fs::path& path) {
  const Checkpoint checkpoint = Checkpoint::open(path, Check::kHeaders);
  checkpoint.verify(console_progress());
  Size size;
  for (const std::string& group : checkpoint.groups()) size.tensors += size_of(checkpoint, group).tensors;
  for (const CheckpointShard& shard : checkpoint.shards()) size.bytes += shard.bytes;
  fmt::print("{}: whole; {} tensors in {} shard{}, {} bytes\n", one_line(checkpoint.path().string()), size.tensors,
             checkpoint.shards().size(), checkpoint.shards().size() == 1 ? "" : "s", size.bytes);
}

/// All of them, also where one is damaged.
void verify_run(const std::vector<fs::path>& checkpoints) {
  std::size_t damaged = 0;
  for (const fs::path& path : checkpoints) {
    try {
      verify_one(path);
    } catch (const Error& error) {
      ++damaged;
      fmt::print("{}: DAMAGED: {}\n", one_line(path.string()), error.what());
    }
  }
  if (damaged > 0) fail("{} of {} checkpoints are damaged", damaged, checkpoints.size());
}

void verify(const CheckpointArguments& arguments) {
  const std::vector<fs::path> all = all_checkpoints(arguments.path);
  if (all.empty()) {
    verify_one(resolve_checkpoint(arguments.path));
  } else {
    verify_run(all);
  }
}

constexpr const char* kInspectFooter =
    "A run folder stands for its best checkpoint, or for the newest where there is no best one.\n\n"
    "Example: what a run has come to\n"
    "  polymoe checkpoint inspect run\n"
    "The shapes of the third expert's tensors, wherever it is; * stands for any text\n"
    "  polymoe checkpoint inspect run --tensors 'encoder*.experts.3.'\n"
    "The ten largest tensors of a checkpoint\n"
    "  polymoe checkpoint inspect run/checkpoint-0001000 --tensors | sed 1d | sort -k 5nr | head\n"
    "The number of parameters, for a script\n"
    "  polymoe checkpoint inspect run --json | jq .parameters.total";

constexpr const char* kVerifyFooter =
    "Opening a checkpoint checks its index and the size of each file; this reads every byte. Do it after copying\n"
    "one, or before deleting others. The exit status is 1 when a file is damaged or missing. Of a run folder all\n"
    "checkpoints are read.\n\n"
    "Example: the checkpoints of a run, before older copies go\n"
    "  polymoe checkpoint verify run && rm -r copy-of-run";

}  // namespace

void add_checkpoint(CLI::App& app) {
  CLI::App* checkpoint = app.add_subcommand("checkpoint", "Look into checkpoints, or check that they are whole");
  checkpoint->require_subcommand(1);
  const auto arguments = std::make_shared<CheckpointArguments>();

  CLI::App* command = checkpoint->add_subcommand("inspect", "Print what a checkpoint holds");
  command->add_option("PATH", arguments->path, "a checkpoint, or a run folder")->required()->type_name("DIR");
  const CLI::Option* tensors =
      command->add_option("--tensors", arguments->pattern, "list the tensors, or those whose names contain PATTERN")
          ->expected(0, 1)
          ->option_text("[PATTERN]");
  command->add_flag("--json", arguments->json, "JSON; with --tensors also the tensors");
  command->footer(kInspectFooter);
  command->callback([arguments, tensors] {
    arguments->list_tensors = tensors->count() > 0;
    inspect(*arguments);
  });

  command = checkpoint->add_subcommand("verify", "Read a whole checkpoint and hold it against its checksums");
  command->add_option("PATH", arguments->path, "a checkpoint, or a run folder")->required()->type_name("DIR");
  command->footer(kVerifyFooter);
  command->callback([arguments] { verify(*arguments); });
}

}  // namespace polymoe::cli
