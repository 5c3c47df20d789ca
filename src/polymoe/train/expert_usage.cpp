#include "polymoe/train/expert_usage.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "polymoe/base/error.h"
#include "polymoe/data/examples.h"
#include "polymoe/data/mixture.h"
#include "polymoe/nn/moe/statistics.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/train/step.h"

namespace polymoe {
namespace {

// "encoder.layers.1.feed_forward.moe" -> "encoder.layers.1".
std::string layer_of(const std::string& full_name) { return full_name.substr(0, full_name.find(".feed_forward")); }

UsageCounts counts_of(const ExpertUsage& usage) {
  return {usage.tokens, usage.assigned, usage.kept, usage.first, usage.confidence};
}

}  // namespace

std::vector<ValidationSet> usage_sets(const Dataset& dataset, const DataOptions& options, const UsageData& data) {
  const std::vector<std::string> splits = dataset.splits();
  if (std::find(splits.begin(), splits.end(), data.split) == splits.end()) {
    fail("the data has no split '{}'; it has {}", data.split, fmt::join(splits, ", "));
  }
  ExampleIndex index(dataset, data.split, options.max_length);
  std::vector<ValidationSet> sets;
  const auto add = [&](Task task, const Direction& direction) {
    if (index.examples(direction, corpora_of(task, dataset.vocabulary())).count() == 0) return;
    sets.push_back(make_validation_set(dataset, direction, data.split, data.max_examples, options.max_length,
                                       data.max_tokens, task, noise_of(options)));
  };
  if (largest_weight(options, "translation") > 0) {
    for (const Direction& direction :
         match_directions(data.directions, dataset.directions(data.split), dataset.languages())) {
      add(Task::kTranslation, direction);
    }
  }
  if (largest_weight(options, "denoising") > 0) {
    for (const std::string& language : dataset.languages()) add(Task::kDenoising, {language, language});
  }
  const std::vector<std::string> names = task_names(dataset.vocabulary());
  for (std::size_t task = 2; task < names.size(); ++task) {
    if (largest_weight(options, names[task]) == 0) continue;
    for (const Direction& direction : dataset.task_directions(names[task], data.split)) {
      add(static_cast<Task>(task), direction);
    }
  }
  if (sets.empty()) {
    fail("split '{}' has no segment of at most data.max-length = {} tokens that the model could read", data.split,
         options.max_length);
  }
  return sets;
}

void record_usage(Model& model, const ValidationSet& set, const Vocabulary& vocabulary, UsageByLayer& usage) {
  MoeStatistics statistics;
  for (const MicroBatch& batch : set.batches) evaluate_loss(model, batch, 0.0, &statistics);
  const std::string task = task_names(vocabulary).at(static_cast<std::size_t>(set.task));
  const std::string direction =
      set.task == Task::kTranslation ? set.direction.name() : task + ":" + set.direction.name();
  for (const auto& [full_name, by_language] : statistics.layers()) {
    LayerUsage& layer = usage[layer_of(full_name)];
    for (const auto& [language, of_language] : by_language) {
      const UsageCounts counts = counts_of(of_language);
      layer.directions[direction] += counts;
      layer.tasks[task] += counts;
      layer.languages[vocabulary.languages().at(static_cast<std::size_t>(language))] += counts;
      layer.all += counts;
    }
  }
}

}  // namespace polymoe
