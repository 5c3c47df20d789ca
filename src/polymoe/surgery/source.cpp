#include "polymoe/surgery/source.h"

#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/expert_name.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/config/moe_layers.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> read_vocabulary(const fs::path& checkpoint) {
  try {
    return read_file(vocabulary_of(checkpoint));
  } catch (const Error& error) {
    remark(fmt::format("the result has no vocabulary: {}", error.what()));
    return std::nullopt;
  }
}

}  // namespace

Source Source::open(const fs::path& path) {
  // With its values checked: else damage would get checksums of its own.
  Checkpoint opened = Checkpoint::open(resolve_checkpoint(path), Check::kValues);
  check_not_quantized(opened);
  RunOptions options = options_of(opened);
  std::optional<std::string> vocabulary = read_vocabulary(opened.path());
  return {std::move(opened), std::move(options), std::move(vocabulary)};
}

nlohmann::json Source::origin() const {
  nlohmann::json origin{{"path", path()}};
  for (const char* key : {"update", "origin"}) {
    const auto found = checkpoint.meta().find(key);
    if (found != checkpoint.meta().end()) origin[key] = *found;
  }
  return origin;
}

std::vector<Source> open_sources(const std::vector<fs::path>& paths) {
  std::vector<Source> sources;
  for (const fs::path& path : paths) sources.push_back(Source::open(path));
  return sources;
}

std::vector<fs::path> paths_of(const std::vector<Source>& sources) {
  std::vector<fs::path> paths;
  for (const Source& source : sources) paths.push_back(source.checkpoint.path());
  return paths;
}

std::map<std::string, std::int64_t> count_experts(const Checkpoint& checkpoint, std::string_view group) {
  std::map<std::string, std::set<std::int64_t>> experts;
  for (const std::string& name : checkpoint.names(group)) {
    if (const auto expert = parse_expert_name(name)) experts[expert->layer].insert(expert->expert);
  }
  std::map<std::string, std::int64_t> counts;
  for (const auto& [layer, numbers] : experts) {
    const auto count = static_cast<std::int64_t>(numbers.size());
    if (*numbers.begin() != 0 || *numbers.rbegin() != count - 1) {
      throw Error(fmt::format("the experts of '{}' are not numbered from 0 to {}", layer, count - 1),
                  {checkpoint.path(), 0});
    }
    const TensorSpec& gate = checkpoint.spec(group, gate_name(layer));
    if (gate.shape.size() != 2 || gate.shape[0] != count) {
      throw Error(fmt::format("tensor '{}' is no gate for the layer's {} experts", gate.name, count),
                  {checkpoint.path(), 0});
    }
    counts[layer] = count;
  }
  return counts;
}

void check_experts(const Source& source) {
  const std::map<std::string, std::int64_t> counts = count_experts(source.checkpoint, "model");
  const std::vector<MoeLayerSize> layers = moe_layers(source.options.model);
  bool agrees = counts.size() == layers.size();
  for (const MoeLayerSize& layer : layers) {
    agrees = agrees && counts.at(find_moe_layer(counts, layer.name)) == layer.experts;
  }
  if (agrees) return;
  throw Error("its weights have other experts than its configuration tells", {source.path(), 0});
}

std::string find_moe_layer(const std::map<std::string, std::int64_t>& counts, const std::string& layer) {
  const auto found = counts.lower_bound(layer + ".");
  if (found == counts.end() || !found->first.starts_with(layer + ".")) {
    fail("{} has no experts in the checkpoint, but by its configuration", layer);
  }
  return found->first;
}

}  // namespace polymoe
