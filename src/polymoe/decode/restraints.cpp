#include "polymoe/decode/restraints.h"

#include <algorithm>

#include "polymoe/decode/repetition.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

// Rows whose sentence has a prefix that they have not written yet: the row, and the id that must come.
struct PrefixStep {
  std::int64_t row;
  std::int32_t id;
};

std::vector<PrefixStep> prefix_steps(const std::vector<SearchSentence>& sentences, std::size_t length) {
  std::vector<PrefixStep> steps;
  std::int64_t row = 0;
  for (const SearchSentence& sentence : sentences) {
    const bool has_more = sentence.demands != nullptr && length < sentence.demands->prefix.size();
    for (std::size_t beam = 0; beam < sentence.beams.size(); ++beam, ++row) {
      if (has_more) steps.push_back({row, sentence.demands->prefix[length]});
    }
  }
  return steps;
}

// Nothing but the prefix may come, and that whatever else is held back.
void keep_prefix(at::Tensor& log_probabilities, const std::vector<PrefixStep>& steps, const at::Tensor& values) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const at::Tensor row = log_probabilities.select(0, steps[i].row);
    row.fill_(kImpossible);
    row.narrow(0, steps[i].id, 1).copy_(values.narrow(0, static_cast<std::int64_t>(i), 1));
  }
}

at::Tensor values_of(const at::Tensor& log_probabilities, const std::vector<PrefixStep>& steps) {
  std::vector<std::int64_t> places;
  for (const PrefixStep& step : steps) places.push_back(step.row * log_probabilities.size(1) + step.id);
  return log_probabilities.view({-1}).index_select(0, at::tensor(places, at::kLong).to(log_probabilities.device()));
}

}  // namespace

void Restraints::hold_back(at::Tensor& log_probabilities, const std::vector<SearchSentence>& sentences,
                           std::size_t length) {
  const std::vector<PrefixStep> steps = prefix_steps(sentences, length);
  const at::Tensor prefix_values = steps.empty() ? at::Tensor() : values_of(log_probabilities, steps);
  if (!symbols_.forbidden.empty()) {
    if (!forbidden_.defined()) forbidden_ = at::tensor(symbols_.forbidden, at::kLong).to(log_probabilities.device());
    log_probabilities.index_fill_(1, forbidden_, kImpossible);
  }
  hold_back_end(log_probabilities, sentences);
  keep_phrases_apart(log_probabilities, sentences);
  forbid_phrases(log_probabilities, sentences);
  std::vector<SearchRow> rows;
  for (const SearchSentence& sentence : sentences) {
    for (const std::vector<std::int32_t>& ids : sentence.beams) rows.push_back({&ids, sentence.source});
  }
  hold_back_repetition(log_probabilities, rows, options_);
  if (!steps.empty()) keep_prefix(log_probabilities, steps, prefix_values);
}

// There is no end before decode.min-length tokens that show something, nor before all phrases are met.
void Restraints::hold_back_end(const at::Tensor& log_probabilities,
                               const std::vector<SearchSentence>& sentences) const {
  std::vector<std::int64_t> early;
  std::int64_t row = 0;
  for (const SearchSentence& sentence : sentences) {
    for (std::size_t beam = 0; beam < sentence.beams.size(); ++beam, ++row) {
      if (!shows_enough(sentence.beams[beam]) || sentence.left(beam) > 0) early.push_back(row);
    }
  }
  if (early.empty()) return;
  const at::Tensor rows = at::tensor(early, at::kLong).to(log_probabilities.device());
  log_probabilities.select(1, symbols_.end).index_fill_(0, rows, kImpossible);
}

// Only the steps of a phrase (find_phrase_steps()) lead into one and on.
void Restraints::keep_phrases_apart(const at::Tensor& log_probabilities,
                                    const std::vector<SearchSentence>& sentences) const {
  const auto ids_of = [&](const std::vector<std::int64_t>& ids) {
    return at::tensor(ids, at::kLong).to(log_probabilities.device());
  };
  std::int64_t row = 0;
  for (const SearchSentence& sentence : sentences) {
    const auto beams = static_cast<std::int64_t>(sentence.beams.size());
    if (sentence.demands != nullptr && !sentence.demands->banned.empty()) {
      log_probabilities.narrow(0, row, beams).index_fill_(1, ids_of(sentence.demands->banned), kImpossible);
    }
    for (std::size_t beam = 0; beam < sentence.progress.size(); ++beam) {
      const PhraseProgress& progress = sentence.progress[beam];
      const at::Tensor own = log_probabilities.select(0, row + static_cast<std::int64_t>(beam));
      if (progress.bound) own.fill_(kImpossible);
      const bool behind_whole = !progress.placements.empty() &&
                                progress.placements.back().end == sentence.beams[beam].size() &&
                                sentence.demands->phrases[progress.placements.back().phrase].whole;
      if (behind_whole && !symbols_.word_parts.empty()) own.index_fill_(0, ids_of(symbols_.word_parts), kImpossible);
    }
    row += beams;
  }
}

void Restraints::forbid_phrases(const at::Tensor& log_probabilities, const std::vector<SearchSentence>& sentences) {
  std::vector<std::int64_t> places;
  std::int64_t row = 0;
  for (const SearchSentence& sentence : sentences) {
    const ForbiddenPhrases* forbidden = sentence.demands != nullptr ? sentence.demands->forbidden : nullptr;
    for (std::size_t beam = 0; beam < sentence.beams.size(); ++beam, ++row) {
      if (forbidden == nullptr || sentence.scores[beam] == kImpossible) continue;
      for (const std::int32_t id : forbidden->completions(sentence.beams[beam])) {
        places.push_back(row * log_probabilities.size(1) + id);
      }
    }
  }
  if (places.empty()) return;
  const at::Tensor chosen = at::tensor(places, at::kLong).to(log_probabilities.device());
  log_probabilities.view({-1}).index_fill_(0, chosen, kImpossible);
}

bool Restraints::shows_enough(const std::vector<std::int32_t>& ids) const {
  std::int64_t missing = options_.min_length;
  for (auto id = ids.begin(); missing > 0 && id != ids.end(); ++id) {
    if (!std::binary_search(symbols_.blank.begin(), symbols_.blank.end(), *id)) --missing;
  }
  return missing <= 0;
}

}  // namespace polymoe
