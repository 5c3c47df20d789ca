#include "decode/beam_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
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
  // Of a sentence with phrases:
  const std::vector<Phrase>* phrases = nullptr;
  std::vector<PhraseProgress> progress;  // [beams]
  std::vector<Candidate> phrase_steps;   // of this step: what goes on with phrases, whatever else is held back
};

class BeamSearch {
 public:
  BeamSearch(DecodingModel& model, const SearchSymbols& symbols, const DecodeOptions& options, const Agreement& agree)
      : model_(model), symbols_(symbols), options_(options), agree_(agree), beams_(options.beam_size) {}

  std::vector<std::vector<Hypothesis>> run(const std::vector<std::vector<std::int32_t>>& sources,
                                           const std::vector<std::int32_t>& first_ids,
                                           const std::vector<Demands>& demands) {
    results_.resize(first_ids.size());
    state_ = model_.start(sources, beams_);
    start_sentences(sources, first_ids);
    take_demands(demands);
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

  void take_demands(const std::vector<Demands>& demands) {
    for (std::size_t i = 0; i < demands.size(); ++i) {
      if (demands[i].phrases.empty()) continue;
      Sentence& sentence = sentences_[i];
      sentence.phrases = &demands[i].phrases;
      sentence.progress.assign(sentence.beams.size(), begin_phrases(*sentence.phrases));
      const auto tokens = static_cast<std::int64_t>(sentence.progress[0].left);
      sentence.max_length = std::min(model_.max_positions() - 1 - num_forced(), sentence.max_length + tokens);
      has_phrases_ = true;
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
    if (has_phrases_) find_phrase_steps(log_probabilities);
    if (!symbols_.forbidden.empty()) {
      if (!forbidden_.defined()) forbidden_ = at::tensor(symbols_.forbidden, at::kLong).to(log_probabilities.device());
      log_probabilities.index_fill_(1, forbidden_, kImpossible);
    }
    hold_back_end(log_probabilities);
    std::vector<SearchRow> rows;
    for (const Sentence& sentence : sentences_) {
      for (const std::vector<std::int32_t>& ids : sentence.beams) rows.push_back({&ids, sentence.source});
    }
    hold_back_repetition(log_probabilities, rows, options_);
    return log_probabilities;
  }

  // Phrases are gone on with even where their ids are otherwise held back.
  void find_phrase_steps(const at::Tensor& log_probabilities) {
    std::vector<std::int64_t> places;
    std::vector<std::pair<Sentence*, Candidate>> steps;
    for (std::size_t s = 0; s < sentences_.size(); ++s) {
      Sentence& sentence = sentences_[s];
      sentence.phrase_steps.clear();
      if (sentence.phrases == nullptr) continue;
      for (std::size_t beam = 0; beam < sentence.beams.size(); ++beam) {
        if (sentence.scores[beam] == kImpossible) continue;
        const auto row = static_cast<std::int64_t>(s) * beams_ + static_cast<std::int64_t>(beam);
        for (const std::int32_t id :
             next_of_phrases(*sentence.phrases, sentence.progress[beam], sentence.beams[beam])) {
          places.push_back(row * log_probabilities.size(1) + id);
          steps.push_back({&sentence, {static_cast<std::int64_t>(beam), id, sentence.scores[beam]}});
        }
      }
    }
    if (places.empty()) return;
    const at::Tensor chosen = at::tensor(places, at::kLong).to(log_probabilities.device());
    const at::Tensor values = log_probabilities.view({-1}).index_select(0, chosen).to(at::kCPU);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      auto& [sentence, step] = steps[i];
      step.score += values.const_data_ptr<float>()[i];
      sentence->phrase_steps.push_back(step);
    }
  }

  // There is no end before decode.min-length tokens that show something, nor before all phrases are met.
  void hold_back_end(const at::Tensor& log_probabilities) const {
    std::vector<std::int64_t> short_rows;
    std::int64_t row = 0;
    for (const Sentence& sentence : sentences_) {
      for (std::size_t beam = 0; beam < sentence.beams.size(); ++beam, ++row) {
        if (!shows_enough(sentence.beams[beam]) || left_of(sentence, beam) > 0) short_rows.push_back(row);
      }
    }
    if (short_rows.empty()) return;
    const at::Tensor rows = at::tensor(short_rows, at::kLong).to(log_probabilities.device());
    log_probabilities.select(1, symbols_.end).index_fill_(0, rows, kImpossible);
  }

  static std::size_t left_of(const Sentence& sentence, std::size_t beam) {
    return sentence.phrases == nullptr ? 0 : sentence.progress[beam].left;
  }

  bool shows_enough(const std::vector<std::int32_t>& ids) const {
    std::int64_t missing = options_.min_length;
    for (auto id = ids.begin(); missing > 0 && id != ids.end(); ++id) {
      if (!std::binary_search(symbols_.blank.begin(), symbols_.blank.end(), *id)) --missing;
    }
    return missing <= 0;
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
    const std::vector<Candidate> best_of_rows =
        has_phrases_ ? best_of_each_row(log_probabilities) : std::vector<Candidate>{};

    row_ids_.clear();
    origins_.clear();
    for (std::int64_t s = 0; s < count; ++s) {
      std::vector<Candidate> candidates;
      for (std::int64_t i = s * width; i < (s + 1) * width; ++i) {
        const std::int64_t place = best_places.const_data_ptr<std::int64_t>()[i];
        candidates.push_back({place / vocabulary, place % vocabulary, best_scores.const_data_ptr<float>()[i]});
      }
      Sentence& sentence = sentences_[static_cast<std::size_t>(s)];
      if (sentence.phrases != nullptr) {
        const auto own = best_of_rows.begin() + s * beams_;
        candidates.insert(candidates.end(), own, own + beams_);
        candidates = allocate(sentence, candidates);
      }
      extend(sentence, candidates, s * beams_);
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

  std::vector<Candidate> best_of_each_row(const at::Tensor& log_probabilities) const {
    const auto best = log_probabilities.max(1);
    const at::Tensor values = std::get<0>(best).to(at::kCPU), ids = std::get<1>(best).to(at::kCPU);
    std::vector<Candidate> candidates;
    for (std::int64_t row = 0; row < values.size(0); ++row) {
      const auto& scores = sentences_[static_cast<std::size_t>(row / beams_)].scores;
      candidates.push_back({row % beams_, ids.const_data_ptr<std::int64_t>()[row],
                            scores[static_cast<std::size_t>(row % beams_)] + values.const_data_ptr<float>()[row]});
    }
    return candidates;
  }

  // Of the candidates and of the steps that go on with phrases those that the beam goes on with, behind all that end.
  std::vector<Candidate> allocate(const Sentence& sentence, const std::vector<Candidate>& candidates) const {
    std::vector<Candidate> ending;
    std::vector<PhraseCandidate> pool;
    std::set<std::pair<std::int64_t, std::int64_t>> seen;
    const auto add = [&](const Candidate& candidate) {
      if (candidate.score == kImpossible || !seen.insert({candidate.beam, candidate.id}).second) return;
      if (candidate.id == symbols_.end) return ending.push_back(candidate);
      const auto beam = static_cast<std::size_t>(candidate.beam);
      std::vector<std::int32_t> ids = sentence.beams[beam];
      ids.push_back(static_cast<std::int32_t>(candidate.id));
      pool.push_back({candidate, continue_phrases(*sentence.phrases, sentence.progress[beam], ids).left});
    };
    for (const Candidate& candidate : sentence.phrase_steps) add(candidate);
    for (const Candidate& candidate : candidates) add(candidate);
    const std::vector<Candidate> going_on =
        allocate_beams(std::move(pool), static_cast<std::size_t>(beams_), begin_phrases(*sentence.phrases).left);
    ending.insert(ending.end(), going_on.begin(), going_on.end());
    return ending;
  }

  // Splits the candidates of one sentence into finished hypotheses and the beams of the next step.
  void extend(Sentence& sentence, const std::vector<Candidate>& candidates, std::int64_t first_row) {
    const auto beams = static_cast<std::size_t>(beams_);
    std::vector<std::vector<std::int32_t>> extended;
    std::vector<float> scores;
    std::vector<PhraseProgress> progress;
    std::size_t rank = 0;
    for (const Candidate& candidate : candidates) {
      const auto& ids = sentence.beams[static_cast<std::size_t>(candidate.beam)];
      if (candidate.score == kImpossible || extended.size() == beams) break;
      if (candidate.id == symbols_.end) {
        // An ending that is not among the beam-size best is no better than what may still come, unless that lacks
        // phrases.
        if (rank < beams || sentence.phrases != nullptr) finish(sentence, ids, candidate.score, ids.size() + 1);
      } else {
        extended.push_back(ids);
        extended.back().push_back(static_cast<std::int32_t>(candidate.id));
        scores.push_back(candidate.score);
        row_ids_.push_back(static_cast<std::int32_t>(candidate.id));
        origins_.push_back(first_row + candidate.beam);
        if (sentence.phrases != nullptr) {
          const PhraseProgress& before = sentence.progress[static_cast<std::size_t>(candidate.beam)];
          progress.push_back(continue_phrases(*sentence.phrases, before, extended.back()));
        }
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
    if (sentence.phrases != nullptr) {
      progress.resize(beams, begin_phrases(*sentence.phrases));
      sentence.progress = std::move(progress);
    }
  }

  void finish(Sentence& sentence, const std::vector<std::int32_t>& ids, float score, std::size_t length) const {
    sentence.finished.push_back({ids, score_of(score, length), false});
  }

  bool is_done(const Sentence& sentence) const {
    const bool out_of_room = length_ >= sentence.max_length;
    const bool nothing_lives = sentence.scores[0] == kImpossible;
    if (out_of_room || nothing_lives) return true;
    if (sentence.finished.size() < num_enough(sentence)) return false;
    // Where the model is sure of one hypothesis, the other beams hold poor ones, which may all end before it does.
    const std::size_t best = best_whole(sentence);
    if (best == sentence.beams.size()) return true;
    const double live = score_of(sentence.scores[best], sentence.beams[best].size());
    const auto better = std::count_if(sentence.finished.begin(), sentence.finished.end(),
                                      [&](const Hypothesis& hypothesis) { return hypothesis.score >= live; });
    return better >= options_.n_best;
  }

  // How many finished hypotheses may be enough.
  std::size_t num_enough(const Sentence& sentence) const {
    if (sentence.phrases == nullptr) return static_cast<std::size_t>(beams_);
    const auto shares = static_cast<std::int64_t>(begin_phrases(*sentence.phrases).left) + 1;
    return static_cast<std::size_t>(std::max(options_.n_best, (beams_ + shares - 1) / shares));
  }

  // The best live hypothesis that lacks no phrase; the number of all where each lacks one.
  static std::size_t best_whole(const Sentence& sentence) {
    std::size_t best = 0;
    while (best < sentence.beams.size() && left_of(sentence, best) > 0) ++best;
    return best;
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
    auto& finished = sentence.finished;
    std::stable_sort(finished.begin(), finished.end(),
                     [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
    // Where too few ended in time, the best live hypotheses have to do.
    const auto wanted = static_cast<std::size_t>(options_.n_best);
    for (const std::size_t beam : fullest_first(sentence)) {
      const bool lives = sentence.scores[beam] != kImpossible;
      if (finished.size() >= wanted || (!lives && !finished.empty())) break;
      const auto& ids = sentence.beams[beam];
      finish(sentence, ids, sentence.scores[beam], std::max<std::size_t>(1, ids.size()));
      finished.back().cut_off = true;
      if (sentence.phrases != nullptr) {
        const std::vector<bool>& met = sentence.progress[beam].met;
        finished.back().unmet = static_cast<std::size_t>(std::count(met.begin(), met.end(), false));
      }
    }
    if (finished.size() > wanted) finished.resize(wanted);
    results_[sentence.index] = std::move(finished);
  }

  // The beams of a sentence in their order, those that lack the fewest tokens of phrases first.
  static std::vector<std::size_t> fullest_first(const Sentence& sentence) {
    std::vector<std::size_t> beams(sentence.beams.size());
    std::iota(beams.begin(), beams.end(), std::size_t{0});
    if (sentence.phrases == nullptr) return beams;
    const auto lives = [&](std::size_t beam) { return sentence.scores[beam] != kImpossible; };
    std::stable_sort(beams.begin(), beams.end(), [&](std::size_t a, std::size_t b) {
      return lives(a) != lives(b) ? lives(a) : left_of(sentence, a) < left_of(sentence, b);
    });
    return beams;
  }

  DecodingModel& model_;
  const SearchSymbols& symbols_;
  const DecodeOptions& options_;
  const Agreement& agree_;
  std::int64_t beams_;
  bool has_phrases_ = false;  // some sentence of the batch
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
                                                 const Agreement& agree, const std::vector<Demands>& demands) {
  const at::NoGradGuard no_grad;
  return BeamSearch(model, symbols, options, agree).run(sources, first_ids, demands);
}

}  // namespace polymoe
