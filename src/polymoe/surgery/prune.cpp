#include "polymoe/surgery/prune.h"

#include <algorithm>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/checkpoint/expert_name.h"
#include "polymoe/surgery/source.h"
#include "polymoe/surgery/speed.h"
#include "polymoe/surgery/usage.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

constexpr const char* kPrunedGroup = "model";
constexpr std::int64_t kManySentences = 64;

ExpertScores scores_of(const PruneOptions& options, const std::vector<MoeLayerSize>& layers) {
  if (options.by == PruneBy::kRandom) return random_scores(layers, options.seed);
  const GateStatistics statistics = GateStatistics::read(options.usage);
  ExpertScores scores;
  for (const MoeLayerSize& layer : layers) {
    scores.push_back(statistics.score(layer.name, layer.experts, options.directions, options.metric, options.heading));
  }
  return scores;
}

// Of numbers for the encoder's layers and the decoder's: one for each layer.
std::vector<std::int64_t> by_side(const std::vector<MoeLayerSize>& layers, const std::vector<std::int64_t>& numbers) {
  std::vector<std::int64_t> counts;
  for (const MoeLayerSize& layer : layers) counts.push_back(numbers.at(layer.name.starts_with("encoder") ? 0 : 1));
  return counts;
}

std::vector<std::int64_t> share_total(const PruneOptions& options, const std::vector<MoeLayerSize>& layers,
                                      const ExpertScores& scores, std::int64_t least) {
  if (options.keep_total.size() == 1) {
    return share_budget(layers, scores, options.keep_total[0], least, options.spread);
  }
  if (options.keep_total.size() != 2) fail("{} numbers of experts to keep in two sides", options.keep_total.size());
  const auto first = std::find_if(layers.begin(), layers.end(),
                                  [](const MoeLayerSize& layer) { return layer.name.starts_with("decoder"); });
  const auto middle = first - layers.begin();
  std::vector<std::int64_t> counts = share_budget({layers.begin(), first}, {scores.begin(), scores.begin() + middle},
                                                  options.keep_total[0], least, options.spread);
  const std::vector<std::int64_t> decoder = share_budget({first, layers.end()}, {scores.begin() + middle, scores.end()},
                                                         options.keep_total[1], least, options.spread);
  counts.insert(counts.end(), decoder.begin(), decoder.end());
  return counts;
}

KeptExperts choose(const PruneOptions& options, const std::vector<MoeLayerSize>& layers, std::int64_t least) {
  if (options.by == PruneBy::kLists) return parse_lists(layers, options.lists, least);
  const ExpertScores scores = scores_of(options, layers);
  std::vector<std::int64_t> counts = options.keep;
  if (!options.keep_total.empty()) counts = share_total(options, layers, scores, least);
  if (counts.size() == 1) counts.resize(layers.size(), counts.front());
  if (counts.size() == 2 && layers.size() != 2) counts = by_side(layers, counts);
  if (counts.size() != layers.size()) {
    fail("{} numbers of experts to keep, but the model has {} MoE layers", counts.size(), layers.size());
  }
  return keep_best(layers, scores, counts, least);
}

nlohmann::json origin_of(const PruneOptions& options, const Source& source, const PruneReport& report) {
  nlohmann::json origin{{"command", "prune"}, {"sources", {source.origin()}}};
  if (options.by == PruneBy::kRandom) origin["seed"] = options.seed;
  if (options.by == PruneBy::kUse) {
    origin["usage"] = options.usage.string();
    origin["directions"] = options.directions;
    origin["metric"] = word_of(options.metric);
    origin["by"] = word_of(options.heading);
  }
  for (std::size_t i = 0; i < report.layers.size(); ++i) origin["experts"][report.layers[i].name] = report.kept[i];
  return origin;
}

}  // namespace

PruneReport prune(const PruneOptions& options, const ProgressSink& progress) {
  const Source source = Source::open(options.checkpoint);
  const Checkpoint& from = source.checkpoint;
  const std::map<std::string, std::int64_t> counts = count_experts(from, kPrunedGroup);
  PruneReport report;
  report.layers = moe_layers(source.options.model);
  if (report.layers.empty()) throw Error("has no experts to prune", {source.path(), 0});
  check_experts(source);
  report.kept = choose(options, report.layers, source.options.model.moe.top_k);

  std::map<std::string, std::vector<std::int64_t>> kept;  // by layer as tensors name it
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    kept[find_moe_layer(counts, report.layers[i].name)] = report.kept[i];
    sizes.push_back(static_cast<std::int64_t>(report.kept[i].size()));
  }
  check_output(options.output, {source.path()});
  SurgeryResult result(options.output, progress);
  for (const std::string& name : from.names(kPrunedGroup)) {
    const auto layer = layer_of_gate(name);
    if (parse_expert_name(name)) continue;
    if (!layer || kept.count(*layer) == 0) {
      result.add_copy(kPrunedGroup, name, from, name);
      continue;
    }
    const std::vector<std::int64_t>& rows = kept.at(*layer);
    TensorSpec spec = from.spec(kPrunedGroup, name);
    spec.shape[0] = static_cast<std::int64_t>(rows.size());
    result.add(kPrunedGroup, spec, [&from, name, rows] {
      return from.read(kPrunedGroup, name).index_select(0, at::tensor(rows, at::kLong));
    });
  }
  for (const std::string& name : from.names(kPrunedGroup)) {
    auto expert = parse_expert_name(name);
    if (!expert) continue;
    const std::vector<std::int64_t>& stays = kept.at(expert->layer);
    const auto found = std::find(stays.begin(), stays.end(), expert->expert);
    if (found == stays.end()) continue;
    expert->expert = found - stays.begin();
    result.add_copy(kPrunedGroup, expert->text(), from, name);
  }
  RunOptions pruned = source.options;
  set_experts(pruned.model, sizes);
  const std::int64_t top_k = pruned.model.moe.top_k;
  const DecodingCost cost = decoding_cost(from, top_k);
  report.before = size_of_model(from);
  result.commit(pruned, source.vocabulary, {{"origin", origin_of(options, source, report)}});

  const Checkpoint made = Checkpoint::open(options.output);
  const DecodingCost less = decoding_cost(made, top_k);
  report.after = size_of_model(made);
  report.speed_one = predicted_seconds(cost, 1) / predicted_seconds(less, 1);
  report.speed_many = predicted_seconds(cost, kManySentences) / predicted_seconds(less, kManySentences);
  return report;
}

}  // namespace polymoe
