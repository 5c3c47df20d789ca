#include "polymoe/surgery/aggregate.h"

#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/checkpoint/expert_name.h"
#include "polymoe/config/moe_layers.h"
#include "polymoe/surgery/match.h"
#include "polymoe/surgery/mean.h"
#include "polymoe/surgery/result.h"
#include "polymoe/surgery/source.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

constexpr const char* kModelGroup = "model";
constexpr const char* kOptimizerGroup = "optimizer";

// The gates of a layer, one below the other.
at::Tensor concatenated_gates(const std::vector<Source>& sources, const std::string& group, const TensorSpec& spec) {
  at::Tensor gate = at::empty(spec.shape, at::kFloat);
  std::int64_t begin = 0;
  for (const Source& source : sources) {
    const std::int64_t size = num_elements(source.checkpoint.spec(group, spec.name));
    source.checkpoint.read_runs(group, spec.name, gate, {{begin, 0, size}});
    begin += size;
  }
  return gate;
}

using Counts = std::map<std::string, std::int64_t>;

// Returns the experts of each layer in the result.
Counts add_group(SurgeryResult& result, const std::vector<Source>& sources, const std::vector<double>& weights,
                 const std::string& group) {
  check_same_tensors(sources, group, ExpertCounts::kAnyNumber);
  std::vector<Counts> counts;
  Counts total;
  for (const Source& source : sources) {
    counts.push_back(count_experts(source.checkpoint, group));
    for (const auto& [layer, count] : counts.back()) total[layer] += count;
  }
  for (const std::string& name : sources.front().checkpoint.names(group)) {
    if (parse_expert_name(name)) continue;
    TensorSpec spec{name, Dtype::kF32, sources.front().checkpoint.spec(group, name).shape};
    const auto layer = layer_of_gate(name);
    if (layer && total.count(*layer) > 0) {
      spec.shape[0] = total.at(*layer);
      result.add(group, spec, [&sources, group, spec] { return concatenated_gates(sources, group, spec); });
    } else {
      result.add(group, spec, [&sources, weights, group, name] { return weighted_sum(sources, weights, group, name); });
    }
  }
  Counts before;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    for (const std::string& name : sources[i].checkpoint.names(group)) {
      auto expert = parse_expert_name(name);
      if (!expert) continue;
      expert->expert += before[expert->layer];
      result.add_copy(group, expert->text(), sources[i].checkpoint, name);
    }
    for (const auto& [layer, count] : counts[i]) before[layer] += count;
  }
  return total;
}

std::int64_t most_steps(const std::vector<Source>& sources) {
  std::int64_t most = 0;
  for (const Source& source : sources) {
    const auto steps = source.checkpoint.meta().find("adam_steps");
    if (source.checkpoint.names(kOptimizerGroup).empty() || steps == source.checkpoint.meta().end() ||
        !steps->is_number_integer()) {
      throw Error("holds no optimiser state to merge", {source.path(), 0},
                  "name one of the run's numbered checkpoints, or drop the state with --optimizer drop");
    }
    most = std::max(most, steps->get<std::int64_t>());
  }
  return most;
}

}  // namespace

void aggregate_experts(const AggregateOptions& options, const ProgressSink& progress) {
  if (options.checkpoints.size() < 2) fail("a merge needs at least two checkpoints");
  const std::vector<double> weights = normalized_weights(options.weights, options.checkpoints.size());
  const std::vector<Source> sources = open_sources(options.checkpoints);
  check_output(options.output, paths_of(sources));
  SurgeryResult result(options.output, progress);
  const Counts experts = add_group(result, sources, weights, kModelGroup);
  check_same_model(sources, ExpertCounts::kAnyNumber);
  const std::optional<std::string> vocabulary = common_vocabulary(sources);
  if (experts.empty()) {
    throw Error("has no experts to unite", {sources.front().path(), 0}, "for dense models use `polymoe average`");
  }
  for (const Source& source : sources) check_experts(source);
  nlohmann::json origin{{"command", "merge"}, {"weights", weights}};
  for (const Source& source : sources) origin["sources"].push_back(source.origin());
  nlohmann::json meta{{"origin", origin}};
  if (options.merge_optimizer) {
    meta["adam_steps"] = most_steps(sources);
    add_group(result, sources, weights, kOptimizerGroup);
  }

  RunOptions united = sources.front().options;
  std::vector<std::int64_t> by_layer;
  for (const MoeLayerSize& layer : moe_layers(united.model)) {
    by_layer.push_back(experts.at(find_moe_layer(experts, layer.name)));
  }
  set_experts(united.model, by_layer);
  result.commit(united, vocabulary, meta);
}

}  // namespace polymoe
