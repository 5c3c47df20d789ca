#include "polymoe/train/validation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <map>
#include <numeric>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/data/examples.h"
#include "polymoe/decode/translator.h"
#include "polymoe/inference/module_model.h"
#include "polymoe/metrics.h"
#include "polymoe/nn/moe/statistics.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/train/step.h"
#include "polymoe/train/validation_report.h"

namespace polymoe {
namespace {

constexpr std::size_t kSamplesPerDirection = 3;

TokenLoss loss_of(Model& model, const ValidationSet& set, double label_smoothing, MoeStatistics* statistics) {
  TokenLoss sum;
  for (const MicroBatch& batch : set.batches) {
    for (const auto& [task, loss] : evaluate_loss(model, batch, label_smoothing, statistics)) sum += loss;
  }
  return sum;
}

std::vector<std::string> translate(Model& model, const ValidationSet& set, const Vocabulary& vocabulary,
                                   const DecodeOptions& options, const Agreement& agree) {
  const Frame frame = make_frame(vocabulary, set.task, vocabulary.language_index(set.direction.source),
                                 vocabulary.language_index(set.direction.target));
  const SearchSymbols symbols = search_symbols(vocabulary, frame);
  ModuleModel decoder(model);
  std::vector<std::string> translations;
  for (const MicroBatch& batch : set.batches) {
    std::vector<std::vector<std::int32_t>> sources;
    std::vector<std::int32_t> first_ids;
    for (std::int64_t row = 0; row < batch.rows; ++row) {
      const auto begin = batch.source.begin() + row * batch.source_length;
      sources.emplace_back(begin, begin + batch.source_lengths[static_cast<std::size_t>(row)]);
      first_ids.push_back(batch.target_input[static_cast<std::size_t>(row * batch.target_length)]);
    }
    for (const auto& hypotheses : beam_search(decoder, sources, first_ids, symbols, options, agree)) {
      translations.push_back(one_line(vocabulary.decode(hypotheses.front().ids)));
    }
  }
  return translations;
}

// The share of the assignments that found no place, by tenth of the micro-batch.
std::vector<double> dropped_by_position(const PositionUsage& positions) {
  std::vector<double> shares;
  for (std::size_t part = 0; part < positions.assigned.size(); ++part) {
    const auto assigned = static_cast<double>(std::max<std::int64_t>(1, positions.assigned.at(part)));
    shares.push_back(static_cast<double>(positions.dropped.at(part)) / assigned);
  }
  return shares;
}

LanguageLoad language_load(const std::string& language, const ExpertUsage& usage) {
  const auto assignments = static_cast<double>(
      std::max<std::int64_t>(1, std::accumulate(usage.assigned.begin(), usage.assigned.end(), std::int64_t{0})));
  LanguageLoad load{.language = language, .tokens = static_cast<double>(usage.tokens)};
  for (const std::int64_t count : usage.assigned) load.load.push_back(static_cast<double>(count) / assignments);
  load.dropped = static_cast<double>(usage.dropped()) / assignments;
  load.entropy = usage.entropy / static_cast<double>(std::max<std::int64_t>(1, usage.tokens));
  return load;
}

ExpertsRecord experts_record(const MoeStatistics& statistics, const std::vector<std::string>& languages) {
  ExpertsRecord record;
  for (const auto& [name, by_language] : statistics.layers()) {
    LayerLoad& layer = record.layers.emplace_back();
    layer.name = name;
    layer.dropped_by_position = dropped_by_position(statistics.positions().at(name));
    for (const auto& [language, usage] : by_language) {
      layer.experts = static_cast<double>(usage.assigned.size());
      layer.languages.push_back(language_load(languages.at(static_cast<std::size_t>(language)), usage));
    }
  }
  return record;
}

constexpr double Scores::*kMeasures[] = {&Scores::bleu, &Scores::chrf, &Scores::rouge1, &Scores::rouge2,
                                         &Scores::rouge_l};

// What was measured of a task.
struct TaskTally {
  TokenLoss loss;
  std::size_t segments = 0;
  std::int64_t decoded = 0;  // directions
  Scores sums;               // over these
  std::map<std::string, Scores> directions;

  void operator+=(const TaskTally& other) {
    loss += other.loss;
    segments += other.segments;
    decoded += other.decoded;
    add(other.sums);
  }
  void add(const Scores& scores) {
    for (const auto measure : kMeasures) {
      if (!std::isnan(scores.*measure))
        sums.*measure = (std::isnan(sums.*measure) ? 0.0 : sums.*measure) + scores.*measure;
    }
  }

  double mean_loss() const { return loss.loss / tokens(); }
  double mean_nll() const { return loss.nll / tokens(); }
  // The mean over the decoded directions of a score that all of them have; else missing.
  double mean(double Scores::*measure) const { return sums.*measure / static_cast<double>(decoded); }

 private:
  double tokens() const { return static_cast<double>(std::max<std::int64_t>(1, loss.tokens)); }
};

// Scores of a set's decoded outputs. What copying the source would score is no score of the model.
void score(const ValidationSet& set, const std::vector<std::string>& outputs, Scores& scores) {
  const std::array<std::vector<std::string>, 1> references{set.references};
  scores.chrf = corpus_chrf(outputs, references).score;
  if (set.task == Task::kTranslation) {
    const Tokenizer tokenizer = default_tokenizer(set.direction.target);
    scores.bleu = corpus_bleu(outputs, references, {.tokenizer = tokenizer}).score;
    scores.chrf_copy = corpus_chrf(set.sources, references).score;
  } else {
    const RougeScore rouge = corpus_rouge(outputs, references);
    scores.rouge1 = rouge.rouge1.f;
    scores.rouge2 = rouge.rouge2.f;
    scores.rouge_l = rouge.rouge_l.f;
  }
}

void add_samples(std::vector<SampleTranslation>& samples, const ValidationSet& set, const std::string& task,
                 const std::vector<std::string>& outputs) {
  const std::size_t stride = std::max<std::size_t>(1, outputs.size() / kSamplesPerDirection);
  for (std::size_t i = stride / 2; i < outputs.size(); i += stride) {
    samples.push_back({.task = set.task == Task::kTranslation ? "" : task,
                       .direction = set.direction.name(),
                       .source = set.sources[i],
                       .reference = set.references[i],
                       .translation = outputs[i]});
  }
}

TaskScores task_scores(const TaskTally& tally, Task task) {
  TaskScores scores;
  scores.loss = tally.mean_loss();
  scores.nll = tally.mean_nll();
  scores.segments = static_cast<double>(tally.segments);
  for (const auto measure : kMeasures) scores.*measure = tally.mean(measure);
  if (task != Task::kTranslation) scores.directions = tally.directions;  // those of translation stand in the record
  return scores;
}

}  // namespace

double ValidationReport::validation_metric(ValidMetric measure) const {
  if (measure == ValidMetric::kBleu && !std::isnan(record.bleu)) return record.bleu;
  if (measure == ValidMetric::kChrf && !std::isnan(record.chrf)) return record.chrf;
  return -record.loss;
}

Validator::Validator(const Dataset& dataset, const RunOptions& options, const std::vector<BatchStream::Share>& trained)
    : dataset_(dataset), options_(options) {
  const std::vector<std::string> splits = dataset.splits();
  if (std::find(splits.begin(), splits.end(), "valid") == splits.end()) return;
  const DataOptions& data = options.data;
  const std::vector<Direction> available = dataset.directions("valid");
  std::vector<Direction> directions;
  if (!data.valid_directions.empty()) {
    directions = match_directions(data.valid_directions, available, dataset.languages());
  }
  ExampleIndex index(dataset, "valid", data.max_length);
  std::vector<std::pair<Task, Direction>> others;
  for (const BatchStream::Share& share : trained) {
    if (share.task != Task::kTranslation) {
      const std::string corpora = corpora_of(share.task, dataset.vocabulary());
      if (index.examples(share.direction, corpora).count() > 0) others.emplace_back(share.task, share.direction);
    } else if (data.valid_directions.empty() &&
               std::find(available.begin(), available.end(), share.direction) != available.end()) {
      directions.push_back(share.direction);
    }
  }
  const auto add = [&](Task task, const Direction& direction) {
    sets_.push_back(make_validation_set(dataset, direction, "valid", options.train.valid_examples, data.max_length,
                                        options.train.max_tokens, task, noise_of(data)));
  };
  for (const Direction& direction : directions) add(Task::kTranslation, direction);
  for (const auto& [task, direction] : others) add(task, direction);
}

ValidationReport Validator::run(Model& model, std::int64_t update, const Agreement& agree) const {
  DecodeOptions decode = options_.decode;
  decode.beam_size = options_.train.valid_beam_size;
  decode.n_best = 1;
  decode.temperature = 0.0;
  const std::vector<std::string> names = task_names(dataset_.vocabulary());
  MoeStatistics statistics;
  std::map<Task, TaskTally> tallies;
  SamplesRecord samples;
  for (const ValidationSet& set : sets_) {
    TaskTally& tally = tallies[set.task];
    const TokenLoss loss = loss_of(model, set, options_.train.label_smoothing, &statistics);
    tally.loss += loss;
    tally.segments += set.references.size();
    Scores& row = tally.directions[set.direction.name()];
    row.loss = loss.loss / static_cast<double>(loss.tokens);
    row.segments = static_cast<double>(set.references.size());
    if (decode.beam_size == 0 || set.task == Task::kDenoising) continue;
    const std::vector<std::string> outputs = translate(model, set, dataset_.vocabulary(), decode, agree);
    score(set, outputs, row);
    ++tally.decoded;
    tally.add(row);
    add_samples(samples.samples, set, names.at(static_cast<std::size_t>(set.task)), outputs);
  }

  TaskTally whole;
  for (const auto& [task, tally] : tallies) {
    if (task == Task::kTranslation || !tallies.contains(Task::kTranslation)) whole += tally;
  }
  ValidationReport report;
  const auto stamp = [update, time = static_cast<double>(std::time({}))](auto& record) {
    record.update = static_cast<double>(update);
    record.time = time;
  };
  stamp(report.record);
  report.record.loss = whole.mean_loss();
  report.record.nll = whole.mean_nll();
  report.record.bleu = whole.mean(&Scores::bleu);
  report.record.chrf = whole.mean(&Scores::chrf);
  for (const auto& [task, tally] : tallies) {
    report.record.tasks[names.at(static_cast<std::size_t>(task))] = task_scores(tally, task);
  }
  report.record.directions = tallies[Task::kTranslation].directions;
  if (!samples.samples.empty()) {
    stamp(samples);
    report.samples = std::move(samples);
  }
  if (!statistics.layers().empty()) {
    report.experts = experts_record(statistics, dataset_.vocabulary().languages());
    stamp(*report.experts);
  }
  return report;
}

}  // namespace polymoe
