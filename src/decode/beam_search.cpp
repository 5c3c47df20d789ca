#include "decode/beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "decode/repetition.h"
#include "kernels/cpu/decoding.h"
#include "nn/torch_headers.h"

namespace polymoe {
namespace {

constexpr std::int64_t kSentencesOfAThread = 4;  // of those whose continuations are chosen
constexpr float kImpossible = -std::numeric_limits<float>::infinity();

// A sentence that is still being translated.
struct Sentence {
  std::size_t index = 0;                              // in the input
  const std::vector<std::int32_t>* source = nullptr;  // tag and end mark too
  std::int64_t max_length = 0;                        // tokens, the end mark not counted
  std::vector<std::vector<std::int32_t>> beams;       // beam-size rows, live hypotheses
  std::vector<float> scores;                          // summed log probabilities, kImpossible for unused beams
  std::vector<Hypothesis> finished;
};

// One way to go on: beam `beam` of a sentence with token `id`.
struct Candidate {
  std::int64_t beam;
  std::int64_t id;
  float score;
};

class BeamSearch {
 public:
  BeamSearch(DecodingModel& model, const SearchSymbols& symbols, const DecodeOptions& options, const Agreement& agree)
      : model_(model), symbols_(symbols), options_(options), agree_(agree), beams_(options.beam_size) {}

  std::vector<std::vector<Hypothesis>> run(const std::vector<std::vector<std::int32_t>>& sources,
                                           const std::vector<std::int32_t>& first_ids) {
    results_.resize(first_ids.size());
    state_ = model_.start(sources, beams_);
    start_sentences(sources, first_ids);
    read_forced();
    while (!sentences_.empty()) {
      advance(next_log_probabilities());
      retire();
    }
    return std::move(results_);
  }

 private:
  void start_sentences(const std::vector<std::vector<std::int32_t>>& sources,
                       const std::vector<std::int32_t>& first_ids) {
    const std::int64_t longest = model_.max_positions() - 1 - num_forced();
    for (std::size_t i = 0; i < first_ids.size(); ++i) {
      Sentence sentence;
      sentence.index = i;
      sentence.source = &sources[i];
      const double limit = options_.max_length_factor * static_cast<double>(sentence.source->size());
      sentence.max_length = std::min(longest, static_cast<std::int64_t>(limit) + options_.max_length_offset);
      sentence.beams.resize(static_cast<std::size_t>(beams_));
      sentence.scores.assign(static_cast<std::size_t>(beams_), kImpossible);
      sentence.scores[0] = 0.0f;  // all beams start alike: only one may branch
      sentences_.push_back(std::move(sentence));
    }
    for (const std::int32_t first : first_ids) {
      next_ids_.insert(next_ids_.end(), static_cast<std::size_t>(beams_), first);
    }
  }

  // Forced ids count as tokens that were written, as they do elsewhere.
  double score_of(float log_probability, std::size_t length) const {
    const std::size_t tokens = length + symbols_.forced.size();
    return static_cast<double>(log_probability) / std::pow(static_cast<double>(tokens), options_.length_penalty);
  }

  std::int64_t num_forced() const { return static_cast<std::int64_t>(symbols_.forced.size()); }

  // Takes all hypotheses through the ids that they begin with.
  void read_forced() {
    for (const std::int32_t id : symbols_.forced) {
      state_->step(next_ids_);
      std::fill(next_ids_.begin(), next_ids_.end(), id);
    }
  }

  at::Tensor next_log_probabilities() {
    at::Tensor log_probabilities = state_->step(next_ids_);
    ++length_;
    if (!symbols_.forbidden.empty()) {
      if (!forbidden_.defined()) forbidden_ = at::tensor(symbols_.forbidden, at::kLong).to(log_probabilities.device());
      log_probabilities.index_fill_(1, forbidden_, kImpossible);
    }
    std::vector<SearchRow> rows;
    for (const Sentence& sentence : sentences_) {
      for (const std::vector<std::int32_t>& ids : sentence.beams) rows.push_back({&ids, sentence.source});
    }
    hold_back_repetition(log_probabilities, rows, options_);
    return log_probabilities;
  }

  // The best 2 * beam-size ways to go on for each sentence: at most beam-size of them end, so enough go on.
  void advance(const at::Tensor& log_probabilities) {
    const std::int64_t vocabulary = log_probabilities.size(1);
    std::vector<float> scores;
    for (const Sentence& sentence : sentences_)
      scores.insert(scores.end(), sentence.scores.begin(), sentence.scores.end());
    const auto count = static_cast<std::int64_t>(sentences_.size());
    const auto [best_scores, best_places] = best_sums(log_probabilities, scores, count);
    if (agree_) {
      agree_(best_scores);
      agree_(best_places);
    }
    const std::int64_t width = best_scores.size(1);

    row_ids_.clear();
    origins_.clear();
    for (std::int64_t s = 0; s < count; ++s) {
      std::vector<Candidate> candidates;
      for (std::int64_t i = s * width; i < (s + 1) * width; ++i) {
        const std::int64_t place = best_places.const_data_ptr<std::int64_t>()[i];
        candidates.push_back({place / vocabulary, place % vocabulary, best_scores.const_data_ptr<float>()[i]});
      }
      extend(sentences_[static_cast<std::size_t>(s)], candidates, s * beams_);
    }
  }

  // For each sentence the greatest sums of the scores of its beams and their log probabilities, greatest first, and
  // the beam * vocabulary + id that they are of.
  std::pair<at::Tensor, at::Tensor> best_sums(const at::Tensor& log_probabilities, const std::vector<float>& scores,
                                              std::int64_t sentences) const {
    const std::int64_t vocabulary = log_probabilities.size(1), width = std::min(2 * beams_, beams_ * vocabulary);
    if (!log_probabilities.is_cpu()) {
      const at::Tensor totals =
          log_probabilities + at::tensor(scores, at::kFloat).to(log_probabilities.device()).unsqueeze(1);
      const auto [best, places] = totals.view({sentences, beams_ * vocabulary}).topk(width, 1);
      return {best.to(at::kCPU).contiguous(), places.to(at::kCPU).contiguous()};
    }
    at::Tensor best = at::empty({sentences, width}), places = at::empty({sentences, width}, at::kLong);
    const float* from = log_probabilities.const_data_ptr<float>();
    at::parallel_for(0, sentences, kSentencesOfAThread, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t s = first; s < last; ++s) {
        kernels::greatest_sums(from + s * beams_ * vocabulary, scores.data() + s * beams_, beams_, vocabulary, width,
                               best.mutable_data_ptr<float>() + s * width,
                               places.mutable_data_ptr<std::int64_t>() + s * width);
      }
    });
    return {best, places};
  }

  // Splits the candidates of one sentence into finished hypotheses and the beams of the next step.
  void extend(Sentence& sentence, const std::vector<Candidate>& candidates, std::int64_t first_row) {
    const auto beams = static_cast<std::size_t>(beams_);
    std::vector<std::vector<std::int32_t>> extended;
    std::vector<float> scores;
    std::size_t rank = 0;
    for (const Candidate& candidate : candidates) {
      const auto& ids = sentence.beams[static_cast<std::size_t>(candidate.beam)];
      if (candidate.score == kImpossible || extended.size() == beams) break;
      if (candidate.id == symbols_.end) {
        // An ending that is not among the beam-size best is no better than what may still come.
        if (rank < beams) finish(sentence, ids, candidate.score, ids.size() + 1);
      } else {
        extended.push_back(ids);
        extended.back().push_back(static_cast<std::int32_t>(candidate.id));
        scores.push_back(candidate.score);
        row_ids_.push_back(static_cast<std::int32_t>(candidate.id));
        origins_.push_back(first_row + candidate.beam);
      }
      ++rank;
    }
    while (extended.size() < beams) {  // fewer ways than beams: fill the rows so that the batch stays rectangular
      extended.emplace_back();
      scores.push_back(kImpossible);
      row_ids_.push_back(static_cast<std::int32_t>(symbols_.end));
      origins_.push_back(first_row);
    }
    sentence.beams = std::move(extended);
    sentence.scores = std::move(scores);
  }

  void finish(Sentence& sentence, const std::vector<std::int32_t>& ids, float score, std::size_t length) const {
    sentence.finished.push_back({ids, score_of(score, length), false});
  }

  bool is_done(const Sentence& sentence) const {
    const bool out_of_room = length_ >= sentence.max_length;
    const bool nothing_lives = sentence.scores[0] == kImpossible;
    if (out_of_room || nothing_lives) return true;
    if (sentence.finished.size() < static_cast<std::size_t>(beams_)) return false;
    // Where the model is sure of one hypothesis, the other beams hold poor ones, which may all end before it does.
    const double live = score_of(sentence.scores[0], sentence.beams[0].size());
    const auto better = std::count_if(sentence.finished.begin(), sentence.finished.end(),
                                      [&](const Hypothesis& hypothesis) { return hypothesis.score >= live; });
    return better >= options_.n_best;
  }

  // Takes finished sentences out of the batch and puts the caches in the order of the next step's rows.
  void retire() {
    std::vector<std::int64_t> kept_sentences, kept_rows;
    std::vector<std::int32_t> kept_ids;
    std::vector<Sentence> live;
    for (std::size_t s = 0; s < sentences_.size(); ++s) {
      Sentence& sentence = sentences_[s];
      if (is_done(sentence)) {
        deliver(sentence);
        continue;
      }
      kept_sentences.push_back(static_cast<std::int64_t>(s));
      for (std::size_t row = s * static_cast<std::size_t>(beams_); row < (s + 1) * static_cast<std::size_t>(beams_);
           ++row) {
        kept_rows.push_back(origins_[row]);
        kept_ids.push_back(row_ids_[row]);
      }
      live.push_back(std::move(sentence));
    }
    sentences_ = std::move(live);
    if (sentences_.empty()) return;
    state_->select(kept_rows, kept_sentences);
    next_ids_ = std::move(kept_ids);
  }

  void deliver(Sentence& sentence) {
    // Where nothing ended in time, the best live hypothesis has to do.
    if (sentence.finished.empty()) {
      finish(sentence, sentence.beams[0], sentence.scores[0], std::max<std::size_t>(1, sentence.beams[0].size()));
      sentence.finished.back().cut_off = true;
    }
    auto& finished = sentence.finished;
    std::stable_sort(finished.begin(), finished.end(),
                     [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
    if (finished.size() > static_cast<std::size_t>(options_.n_best)) {
      finished.resize(static_cast<std::size_t>(options_.n_best));
    }
    results_[sentence.index] = std::move(finished);
  }

  DecodingModel& model_;
  const SearchSymbols& symbols_;
  const DecodeOptions& options_;
  const Agreement& agree_;
  std::int64_t beams_;
  std::unique_ptr<DecodingState> state_;
  std::int64_t length_ = 0;  // tokens that each live hypothesis has, forced ones not counted
  at::Tensor forbidden_;     // ids, on the device of the log probabilities
  std::vector<Sentence> sentences_;
  std::vector<std::int32_t> next_ids_;  // [rows], what the next step reads
  // Made by advance() for retire(): for each row of the next step its token, and the row of this step that it extends.
  std::vector<std::int32_t> row_ids_;
  std::vector<std::int64_t> origins_;
  std::vector<std::vector<Hypothesis>> results_;
};

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(DecodingModel& model,
                                                 const std::vector<std::vector<std::int32_t>>& sources,
                                                 const std::vector<std::int32_t>& first_ids,
                                                 const SearchSymbols& symbols, const DecodeOptions& options,
                                                 const Agreement& agree) {
  const at::NoGradGuard no_grad;
  return BeamSearch(model, symbols, options, agree).run(sources, first_ids);
}

}  // namespace polymoe
