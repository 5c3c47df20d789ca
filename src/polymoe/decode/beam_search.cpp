#include "polymoe/decode/beam_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include "polymoe/cancelled.h"
#include "polymoe/config/decode_options.h"
#include "polymoe/decode/phrase_steps.h"
#include "polymoe/decode/restraints.h"
#include "polymoe/decode/sampling.h"
#include "polymoe/decode/search_sentence.h"
#include "polymoe/kernels/cpu/decoding.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

constexpr std::int64_t kSentencesOfAThread = 4;  // of those whose continuations are chosen

class Search {
 public:
  Search(DecodingModel& model, const SearchSymbols& symbols, const DecodeOptions& options, const Agreement& agree,
         const SearchWatch& watch)
      : model_(model),
        symbols_(symbols),
        options_(options),
        agree_(agree),
        watch_(watch),
        restraints_(symbols, options),
        beams_(samples() ? options.n_best : options.beam_size) {}

  std::vector<std::vector<Hypothesis>> run(const std::vector<std::vector<std::int32_t>>& sources,
                                           const std::vector<std::int32_t>& first_ids,
                                           const std::vector<Demands>& demands) {
    results_.resize(first_ids.size());
    state_ = model_.start(sources, beams_);
    start_sentences(sources, first_ids);
    take_demands(demands);
    read_forced();
    while (!sentences_.empty()) {
      if (watch_.stop.stop_requested()) throw Cancelled();
      const at::Tensor log_probabilities = next_log_probabilities();
      row_ids_.clear();
      origins_.clear();
      if (samples()) {
        draw(log_probabilities);
      } else {
        advance(log_probabilities);
      }
      if (watch_.known) tell_known();
      retire();
    }
    return std::move(results_);
  }

 private:
  void start_sentences(const std::vector<std::vector<std::int32_t>>& sources,
                       const std::vector<std::int32_t>& first_ids) {
    const std::int64_t longest = model_.max_positions() - 1 - num_forced();
    for (std::size_t i = 0; i < first_ids.size(); ++i) {
      SearchSentence sentence;
      sentence.index = i;
      sentence.source = &sources[i];
      const double limit = options_.max_length_factor * static_cast<double>(sentence.source->size());
      sentence.max_length = std::min(longest, static_cast<std::int64_t>(limit) + options_.max_length_offset);
      sentence.beams.resize(static_cast<std::size_t>(beams_));
      sentence.scores.assign(static_cast<std::size_t>(beams_), samples() ? 0.0f : kImpossible);
      sentence.scores[0] = 0.0f;  // all beams start alike: only one may branch
      sentences_.push_back(std::move(sentence));
    }
    for (const std::int32_t first : first_ids) {
      next_ids_.insert(next_ids_.end(), static_cast<std::size_t>(beams_), first);
    }
  }

  void take_demands(const std::vector<Demands>& demands) {
    const std::int64_t longest = model_.max_positions() - 1 - num_forced();
    for (std::size_t i = 0; i < demands.size(); ++i) {
      SearchSentence& sentence = sentences_[i];
      sentence.demands = &demands[i];
      if (demands[i].token_scores) sentence.token_scores.resize(sentence.beams.size());
      const auto prefix = static_cast<std::int64_t>(demands[i].prefix.size());
      sentence.max_length = std::max(sentence.max_length, prefix + options_.max_length_offset);
      if (!demands[i].phrases.empty()) {
        sentence.progress.assign(sentence.beams.size(), begin_phrases(demands[i].phrases, demands[i].prefix.size()));
        sentence.max_length += static_cast<std::int64_t>(sentence.left(0));
        has_phrases_ = true;
      }
      sentence.max_length = std::min(longest, sentence.max_length);
    }
  }

  bool samples() const { return options_.temperature > 0; }

  // Forced ids count as tokens that were written, as they do elsewhere.
  double score_of(float log_probability, std::size_t length) const {
    const std::size_t tokens = length + symbols_.forced.size();
    return static_cast<double>(log_probability) /
           std::pow(static_cast<double>(std::max<std::size_t>(1, tokens)), options_.length_penalty);
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
    if (has_phrases_) find_phrase_steps(log_probabilities, beams_, sentences_);
    restraints_.hold_back(log_probabilities, sentences_, static_cast<std::size_t>(length_) - 1);
    return log_probabilities;
  }

  // One token at random for each hypothesis, by itself.
  void draw(const at::Tensor& log_probabilities) {
    const at::Tensor values = log_probabilities.to(at::kCPU).contiguous();
    const auto vocabulary = static_cast<std::size_t>(values.size(1));
    std::int64_t row = 0;
    for (SearchSentence& sentence : sentences_) {
      const std::uint64_t number = sentence.demands != nullptr ? sentence.demands->number : 0;
      for (std::size_t beam = 0; beam < sentence.beams.size(); ++beam, ++row) {
        const std::span<const float> own(values.const_data_ptr<float>() + row * values.size(1), vocabulary);
        const double uniform = uniform_of_token(static_cast<std::uint64_t>(options_.seed), *sentence.source, number,
                                                beam, sentence.beams[beam].size());
        const std::int64_t id = sentence.scores[beam] == kImpossible ? -1 : draw_token(own, options_, uniform);
        append(sentence, beam, id, id < 0 ? kImpossible : own[static_cast<std::size_t>(id)]);
        row_ids_.push_back(static_cast<std::int32_t>(id < 0 ? symbols_.end : id));
        origins_.push_back(row);
      }
    }
  }

  // Appends what was drawn (-1: nothing) to a sample.
  void append(SearchSentence& sentence, std::size_t beam, std::int64_t id, float log_probability) const {
    std::vector<std::int32_t>& ids = sentence.beams[beam];
    float& score = sentence.scores[beam];
    score += log_probability;
    if (id < 0) return;
    if (sentence.wants_token_scores()) sentence.token_scores[beam].push_back(log_probability);
    if (id == symbols_.end) {
      finish(sentence, beam, score, ids.size() + 1);
      score = kImpossible;
    } else {
      ids.push_back(static_cast<std::int32_t>(id));
    }
  }

  // The best 2 * beam-size ways to go on for each sentence: at most beam-size of them end, so enough go on.
  void advance(const at::Tensor& log_probabilities) {
    const std::int64_t vocabulary = log_probabilities.size(1);
    std::vector<float> scores;
    for (const SearchSentence& sentence : sentences_)
      scores.insert(scores.end(), sentence.scores.begin(), sentence.scores.end());
    const auto count = static_cast<std::int64_t>(sentences_.size());
    const auto [best_scores, best_places] = best_sums(log_probabilities, scores, count);
    if (agree_) {
      agree_(best_scores);
      agree_(best_places);
    }
    const std::int64_t width = best_scores.size(1);
    const std::vector<Candidate> best_of_rows =
        has_phrases_ ? best_of_each_row(log_probabilities, beams_, sentences_) : std::vector<Candidate>{};
    for (std::int64_t s = 0; s < count; ++s) {
      std::vector<Candidate> candidates;
      for (std::int64_t i = s * width; i < (s + 1) * width; ++i) {
        const std::int64_t place = best_places.const_data_ptr<std::int64_t>()[i];
        candidates.push_back({place / vocabulary, place % vocabulary, best_scores.const_data_ptr<float>()[i]});
      }
      SearchSentence& sentence = sentences_[static_cast<std::size_t>(s)];
      if (sentence.has_phrases()) {
        const auto own = best_of_rows.begin() + s * beams_;
        candidates.insert(candidates.end(), own, own + beams_);
        candidates = allocate_sentence(sentence, candidates, beams_, symbols_.end);
      }
      extend(sentence, candidates, s * beams_);
    }
  }

  // For each sentence the greatest sums of the scores of its beams and their log probabilities, greatest first, and the
  // beam * vocabulary + id that they are of.
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
  void extend(SearchSentence& sentence, const std::vector<Candidate>& candidates, std::int64_t first_row) {
    const auto beams = static_cast<std::size_t>(beams_);
    SearchSentence next;
    std::size_t rank = 0;
    for (const Candidate& candidate : candidates) {
      if (candidate.score == kImpossible || next.beams.size() == beams) break;
      const auto beam = static_cast<std::size_t>(candidate.beam);
      if (candidate.id == symbols_.end) {
        // An ending that is not among the beam-size best is no better than what may still come, unless that lacks
        // phrases.
        if (rank < beams || sentence.has_phrases()) {
          finish(sentence, beam, candidate.score, sentence.beams[beam].size() + 1);
        }
      } else {
        add_extended(next, sentence, candidate);
        row_ids_.push_back(static_cast<std::int32_t>(candidate.id));
        origins_.push_back(first_row + candidate.beam);
      }
      ++rank;
    }
    fill_up(next, sentence, first_row);
    sentence.beams = std::move(next.beams);
    sentence.scores = std::move(next.scores);
    sentence.token_scores = std::move(next.token_scores);
    sentence.progress = std::move(next.progress);
  }

  void add_extended(SearchSentence& next, const SearchSentence& sentence, const Candidate& candidate) const {
    const auto beam = static_cast<std::size_t>(candidate.beam);
    next.beams.push_back(sentence.beams[beam]);
    next.beams.back().push_back(static_cast<std::int32_t>(candidate.id));
    next.scores.push_back(candidate.score);
    if (sentence.wants_token_scores()) {
      next.token_scores.push_back(sentence.token_scores[beam]);
      next.token_scores.back().push_back(candidate.score - sentence.scores[beam]);
    }
    if (!sentence.has_phrases()) return;
    next.progress.push_back(continue_phrases(sentence.demands->phrases, sentence.progress[beam], next.beams.back()));
  }

  // Fewer ways than beams: the rows are filled so that the batch stays rectangular.
  void fill_up(SearchSentence& next, const SearchSentence& sentence, std::int64_t first_row) {
    const auto beams = static_cast<std::size_t>(beams_);
    for (std::size_t beam = next.beams.size(); beam < beams; ++beam) {
      row_ids_.push_back(static_cast<std::int32_t>(symbols_.end));
      origins_.push_back(first_row);
    }
    next.beams.resize(beams);
    next.scores.resize(beams, kImpossible);
    if (sentence.wants_token_scores()) next.token_scores.resize(beams);
    if (sentence.has_phrases()) next.progress.resize(beams, begin_phrases(sentence.demands->phrases));
  }

  // Hypothesis `beam` as it stands ends; an end mark counts in `score` and `length`.
  void finish(SearchSentence& sentence, std::size_t beam, float score, std::size_t length) const {
    const std::vector<std::int32_t>& ids = sentence.beams[beam];
    Hypothesis hypothesis{.ids = ids, .score = score_of(score, length), .cut_off = length == ids.size()};
    if (sentence.wants_token_scores()) {
      hypothesis.token_scores = sentence.token_scores[beam];
      const bool has_end = !hypothesis.cut_off && hypothesis.token_scores.size() == ids.size();
      if (has_end) hypothesis.token_scores.push_back(score - sentence.scores[beam]);
    }
    if (sentence.has_phrases()) {
      const PhraseProgress& progress = sentence.progress[beam];
      hypothesis.placements = progress.placements;
      hypothesis.unmet = static_cast<std::size_t>(std::count(progress.met.begin(), progress.met.end(), false));
    }
    sentence.finished.push_back(std::move(hypothesis));
  }

  // What the best translation will begin with, whichever hypothesis becomes it.
  void tell_known() {
    for (SearchSentence& sentence : sentences_) {
      std::vector<const std::vector<std::int32_t>*> all;
      for (std::size_t beam = 0; beam < sentence.beams.size(); ++beam) {
        if (sentence.scores[beam] != kImpossible) all.push_back(&sentence.beams[beam]);
      }
      for (const Hypothesis& hypothesis : sentence.finished) all.push_back(&hypothesis.ids);
      if (all.empty()) continue;
      const std::vector<std::int32_t>& one = *all.front();
      std::size_t known = sentence.known;
      const auto has_next = [&](const std::vector<std::int32_t>* ids) {
        return ids->size() > known && (*ids)[known] == one[known];
      };
      while (known < one.size() && std::all_of(all.begin(), all.end(), has_next)) ++known;
      if (known == sentence.known) continue;
      sentence.known = known;
      watch_.known(sentence.index, std::span(one).first(known));
    }
  }

  bool is_done(const SearchSentence& sentence) const {
    const bool out_of_room = length_ >= sentence.max_length;
    const bool nothing_lives =
        std::all_of(sentence.scores.begin(), sentence.scores.end(), [](float score) { return score == kImpossible; });
    if (out_of_room || nothing_lives) return true;
    if (samples()) return false;
    if (sentence.finished.size() < num_enough(sentence)) return false;
    // Where the model is sure of one hypothesis, the other beams hold poor ones, which may all end before it does. Of
    // those that lack phrases the best have them still to come, where they fit.
    const double live = score_of(sentence.scores[0], sentence.beams[0].size());
    const auto better = std::count_if(sentence.finished.begin(), sentence.finished.end(),
                                      [&](const Hypothesis& hypothesis) { return hypothesis.score >= live; });
    return better >= options_.n_best;
  }

  // How many finished hypotheses may be enough.
  std::size_t num_enough(const SearchSentence& sentence) const {
    if (!sentence.has_phrases()) return static_cast<std::size_t>(beams_);
    const auto shares = static_cast<std::int64_t>(begin_phrases(sentence.demands->phrases).left) + 1;
    return static_cast<std::size_t>(std::max(options_.n_best, (beams_ + shares - 1) / shares));
  }

  // Takes finished sentences out of the batch and puts the caches in the order of the next step's rows.
  void retire() {
    std::vector<std::int64_t> kept_sentences, kept_rows;
    std::vector<std::int32_t> kept_ids;
    std::vector<SearchSentence> live;
    for (std::size_t s = 0; s < sentences_.size(); ++s) {
      SearchSentence& sentence = sentences_[s];
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

  void deliver(SearchSentence& sentence) {
    auto& finished = sentence.finished;
    std::stable_sort(finished.begin(), finished.end(),
                     [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
    // Where too few ended in time, the best live hypotheses have to do.
    const auto wanted = static_cast<std::size_t>(options_.n_best);
    for (const std::size_t beam : fullest_first(sentence)) {
      const bool lives = sentence.scores[beam] != kImpossible;
      if (finished.size() >= wanted || (!lives && !finished.empty())) break;
      finish(sentence, beam, sentence.scores[beam], sentence.beams[beam].size());
    }
    if (finished.size() > wanted) finished.resize(wanted);
    if (watch_.known && finished.front().ids.size() > sentence.known) {
      watch_.known(sentence.index, finished.front().ids);
    }
    results_[sentence.index] = std::move(finished);
  }

  // The beams of a sentence in their order, live ones first, of these those that lack the fewest tokens of phrases.
  static std::vector<std::size_t> fullest_first(const SearchSentence& sentence) {
    std::vector<std::size_t> beams(sentence.beams.size());
    std::iota(beams.begin(), beams.end(), std::size_t{0});
    const auto lives = [&](std::size_t beam) { return sentence.scores[beam] != kImpossible; };
    std::stable_sort(beams.begin(), beams.end(), [&](std::size_t a, std::size_t b) {
      return lives(a) != lives(b) ? lives(a) : sentence.left(a) < sentence.left(b);
    });
    return beams;
  }

  DecodingModel& model_;
  const SearchSymbols& symbols_;
  const DecodeOptions& options_;
  const Agreement& agree_;
  const SearchWatch& watch_;
  Restraints restraints_;
  std::int64_t beams_;
  bool has_phrases_ = false;  // some sentence of the batch
  std::unique_ptr<DecodingState> state_;
  std::int64_t length_ = 0;  // tokens that each live hypothesis has, forced ones not counted
  std::vector<SearchSentence> sentences_;
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
                                                 const Agreement& agree, const std::vector<Demands>& demands,
                                                 const SearchWatch& watch) {
  const at::NoGradGuard no_grad;
  return Search(model, symbols, options, agree, watch).run(sources, first_ids, demands);
}

}  // namespace polymoe
