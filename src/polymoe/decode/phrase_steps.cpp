#include "polymoe/decode/phrase_steps.h"

#include <set>
#include <utility>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

void find_phrase_steps(const at::Tensor& log_probabilities, std::int64_t beams,
                       std::vector<SearchSentence>& sentences) {
  std::vector<std::int64_t> places;
  std::vector<std::pair<SearchSentence*, Candidate>> steps;
  for (std::size_t s = 0; s < sentences.size(); ++s) {
    SearchSentence& sentence = sentences[s];
    sentence.phrase_steps.clear();
    if (!sentence.has_phrases()) continue;
    for (std::size_t beam = 0; beam < sentence.beams.size(); ++beam) {
      const bool in_prefix = sentence.beams[beam].size() < sentence.demands->prefix.size();
      if (in_prefix || sentence.scores[beam] == kImpossible) continue;
      const auto row = static_cast<std::int64_t>(s) * beams + static_cast<std::int64_t>(beam);
      for (const std::int32_t id :
           next_of_phrases(sentence.demands->phrases, sentence.progress[beam], sentence.beams[beam])) {
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

std::vector<Candidate> best_of_each_row(const at::Tensor& log_probabilities, std::int64_t beams,
                                        const std::vector<SearchSentence>& sentences) {
  const auto best = log_probabilities.max(1);
  const at::Tensor values = std::get<0>(best).to(at::kCPU), ids = std::get<1>(best).to(at::kCPU);
  std::vector<Candidate> candidates;
  for (std::int64_t row = 0; row < values.size(0); ++row) {
    const auto& scores = sentences[static_cast<std::size_t>(row / beams)].scores;
    candidates.push_back({row % beams, ids.const_data_ptr<std::int64_t>()[row],
                          scores[static_cast<std::size_t>(row % beams)] + values.const_data_ptr<float>()[row]});
  }
  return candidates;
}

std::vector<Candidate> allocate_sentence(const SearchSentence& sentence, const std::vector<Candidate>& candidates,
                                         std::int64_t beams, std::int64_t end) {
  const std::vector<Phrase>& phrases = sentence.demands->phrases;
  std::vector<Candidate> chosen;
  std::vector<PhraseCandidate> pool;
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  const auto add = [&](const Candidate& candidate) {
    if (candidate.score == kImpossible || !seen.insert({candidate.beam, candidate.id}).second) return;
    if (candidate.id == end) return chosen.push_back(candidate);
    const auto beam = static_cast<std::size_t>(candidate.beam);
    std::vector<std::int32_t> ids = sentence.beams[beam];
    ids.push_back(static_cast<std::int32_t>(candidate.id));
    pool.push_back({candidate, continue_phrases(phrases, sentence.progress[beam], ids).left});
  };
  for (const Candidate& candidate : sentence.phrase_steps) add(candidate);
  for (const Candidate& candidate : candidates) add(candidate);
  const std::vector<Candidate> going_on =
      allocate_beams(std::move(pool), static_cast<std::size_t>(beams), begin_phrases(phrases).left);
  chosen.insert(chosen.end(), going_on.begin(), going_on.end());
  return chosen;
}

}  // namespace polymoe
