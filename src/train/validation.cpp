#include "train/validation.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <numeric>

#include "base/error.h"
#include "decode/translator.h"
#include "evaluate/bleu.h"
#include "evaluate/chrf.h"
#include "nn/moe/statistics.h"
#include "nn/torch_headers.h"
#include "train/step.h"
#include "train/validation_report.h"

namespace polymoe {
namespace {

constexpr std::size_t kSamplesPerDirection = 3;

TokenLoss loss_of(EncoderDecoder& model, const ValidationSet& set, double label_smoothing, MoeStatistics* statistics) {
  TokenLoss sum;
  for (const MicroBatch& batch : set.batches) {
    for (const auto& [task, loss] : evaluate_loss(model, batch, label_smoothing, statistics)) sum += loss;
  }
  return sum;
}

std::vector<std::string> translate(EncoderDecoder& model, const ValidationSet& set, const Vocabulary& vocabulary,
                                   const DecodeOptions& options, const Agreement& agree) {
  const SearchSymbols symbols = search_symbols(vocabulary);
  std::vector<std::string> translations;
  for (const MicroBatch& batch : set.batches) {
    std::vector<std::int32_t> first_ids;
    for (std::int64_t row = 0; row < batch.rows; ++row) {
      first_ids.push_back(batch.target_input[static_cast<std::size_t>(row * batch.target_length)]);
    }
    const TokenInput source = make_source_input(batch, model->projection().device());
    for (const auto& hypotheses : beam_search(*model, source, first_ids, symbols, options, agree)) {
      translations.push_back(vocabulary.decode(hypotheses.front().ids));
    }
  }
  return translations;
}

nlohmann::json experts_record(const MoeStatistics& statistics, const std::vector<std::string>& languages,
                              std::int64_t update) {
  nlohmann::json layers = nlohmann::json::array();
  for (const auto& [name, by_language] : statistics.layers()) {
    nlohmann::json layer{{"name", name}, {"languages", nlohmann::json::object()}};
    for (const auto& [language, usage] : by_language) {
      const auto assignments = static_cast<double>(
          std::max<std::int64_t>(1, std::accumulate(usage.assigned.begin(), usage.assigned.end(), std::int64_t{0})));
      std::vector<double> load;
      for (const std::int64_t count : usage.assigned) load.push_back(static_cast<double>(count) / assignments);
      layer["experts"] = usage.assigned.size();
      layer["languages"][languages.at(static_cast<std::size_t>(language))] = {
          {"tokens", usage.tokens},
          {"load", load},
          {"dropped", static_cast<double>(usage.dropped()) / assignments},
          {"entropy", usage.entropy / static_cast<double>(std::max<std::int64_t>(1, usage.tokens))}};
    }
    layers.push_back(layer);
  }
  return {{"type", "experts"}, {"update", update}, {"time", std::time({})}, {"layers", layers}};
}

}  // namespace

double ValidationReport::goodness(const std::string& measure) const {
  if (measure == "bleu" && bleu) return *bleu;
  if (measure == "chrf" && chrf) return *chrf;
  return -loss;
}

Validator::Validator(const Dataset& dataset, const RunOptions& options,
                     const std::vector<Direction>& training_directions)
    : dataset_(dataset), options_(options) {
  const std::vector<std::string> splits = dataset.splits();
  if (std::find(splits.begin(), splits.end(), "valid") == splits.end()) return;
  const std::vector<Direction> available = dataset.directions("valid");
  std::vector<Direction> directions;
  if (options.data.valid_directions.empty()) {
    for (const Direction& direction : training_directions) {
      if (std::find(available.begin(), available.end(), direction) != available.end()) directions.push_back(direction);
    }
  } else {
    directions = match_directions(options.data.valid_directions, available, dataset.languages());
  }
  for (const Direction& direction : directions) {
    sets_.push_back(make_validation_set(dataset, direction, "valid", options.train.valid_examples,
                                        options.data.max_length, options.train.max_tokens));
  }
}

ValidationReport Validator::run(EncoderDecoder& model, std::int64_t update, const Agreement& agree) const {
  DecodeOptions decode = options_.decode;
  decode.beam_size = options_.train.valid_beam_size;
  decode.n_best = 1;
  MoeStatistics statistics;
  ValidationReport report;
  nlohmann::json directions = nlohmann::json::object(), samples = nlohmann::json::array();
  TokenLoss total;
  double bleu = 0.0, chrf = 0.0;
  for (const ValidationSet& set : sets_) {
    const TokenLoss loss = loss_of(model, set, options_.train.label_smoothing, &statistics);
    total += loss;
    nlohmann::json& row = directions[set.direction.name()];
    row = {{"loss", loss.loss / static_cast<double>(loss.tokens)}, {"segments", set.references.size()}};
    if (decode.beam_size == 0) continue;
    const std::vector<std::string> translations = translate(model, set, dataset_.vocabulary(), decode, agree);
    const std::array<std::vector<std::string>, 1> references{set.references};
    const double set_bleu =
        corpus_bleu(translations, references, {.tokenizer = default_tokenizer(set.direction.target)}).score;
    const double set_chrf = corpus_chrf(translations, references).score;
    row["bleu"] = set_bleu;
    row["chrf"] = set_chrf;
    row["chrf_copy"] = corpus_chrf(set.sources, references).score;
    bleu += set_bleu / static_cast<double>(sets_.size());
    chrf += set_chrf / static_cast<double>(sets_.size());
    const std::size_t stride = std::max<std::size_t>(1, translations.size() / kSamplesPerDirection);
    for (std::size_t i = stride / 2; i < translations.size(); i += stride) {
      samples.push_back({{"direction", set.direction.name()},
                         {"source", set.sources[i]},
                         {"reference", set.references[i]},
                         {"translation", translations[i]}});
    }
  }
  report.loss = total.loss / static_cast<double>(std::max<std::int64_t>(1, total.tokens));
  report.record = {{"type", "valid"},
                   {"update", update},
                   {"time", std::time({})},
                   {"loss", report.loss},
                   {"nll", total.nll / static_cast<double>(std::max<std::int64_t>(1, total.tokens))},
                   {"directions", directions}};
  if (decode.beam_size > 0) {
    report.bleu = bleu;
    report.chrf = chrf;
    report.record["bleu"] = bleu;
    report.record["chrf"] = chrf;
    report.samples = {{"type", "samples"}, {"update", update}, {"time", std::time({})}, {"samples", samples}};
  }
  if (!statistics.layers().empty()) {
    report.experts = experts_record(statistics, dataset_.vocabulary().languages(), update);
  }
  return report;
}

}  // namespace polymoe
