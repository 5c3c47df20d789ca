#include "decode/phrases.h"

#include <algorithm>

namespace polymoe {
namespace {

using Ids = std::vector<std::int32_t>;

// How many tokens at the end of `ids`, from `begin` on, `form` begins with.
std::size_t begun(const Ids& form, const Ids& ids, std::size_t begin) {
  for (std::size_t count = std::min(form.size(), ids.size() - begin); count > 0; --count) {
    if (std::equal(ids.end() - static_cast<std::ptrdiff_t>(count), ids.end(), form.begin())) return count;
  }
  return 0;
}

std::size_t longest_form(const Phrase& phrase) {
  std::size_t longest = 0;
  for (const Ids& form : phrase.forms) longest = std::max(longest, form.size());
  return longest;
}

std::size_t tokens_unmet(const std::vector<Phrase>& phrases, const PhraseProgress& progress) {
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    if (!progress.met[i]) tokens += longest_form(phrases[i]);
  }
  return tokens;
}

// What the phrase that was begun saves: all tokens of its longest form but those that are still to come.
std::size_t tokens_begun(const std::vector<Phrase>& phrases, const PhraseProgress& progress, const Ids& ids) {
  std::size_t most = 0;
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    if (progress.met[i]) continue;
    for (const Ids& form : phrases[i].forms) {
      const std::size_t count = begun(form, ids, progress.begin);
      if (count > 0) most = std::max(most, longest_form(phrases[i]) - (form.size() - count));
    }
  }
  return most;
}

}  // namespace

PhraseProgress begin_phrases(const std::vector<Phrase>& phrases) {
  PhraseProgress progress{.met = std::vector<bool>(phrases.size()), .begin = 0, .left = 0};
  progress.left = tokens_unmet(phrases, progress);
  return progress;
}

PhraseProgress continue_phrases(const std::vector<Phrase>& phrases, const PhraseProgress& progress, const Ids& ids) {
  PhraseProgress next = progress;
  for (std::size_t i = 0; i < phrases.size() && next.begin == progress.begin; ++i) {
    if (next.met[i]) continue;
    for (const Ids& form : phrases[i].forms) {
      if (begun(form, ids, progress.begin) != form.size()) continue;
      next.met[i] = true;
      next.begin = ids.size();
      break;
    }
  }
  next.left = tokens_unmet(phrases, next) - tokens_begun(phrases, next, ids);
  return next;
}

Ids next_of_phrases(const std::vector<Phrase>& phrases, const PhraseProgress& progress, const Ids& ids) {
  Ids next;
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    if (progress.met[i]) continue;
    for (const Ids& form : phrases[i].forms) {
      next.push_back(form.front());
      next.push_back(form[begun(form, ids, progress.begin)]);
    }
  }
  std::sort(next.begin(), next.end());
  next.erase(std::unique(next.begin(), next.end()), next.end());
  return next;
}

std::int64_t beams_with_phrases(const std::vector<Phrase>& phrases, std::int64_t beams) {
  const auto tokens = static_cast<std::int64_t>(begin_phrases(phrases).left);
  return std::max(beams, std::min(beams + tokens, kMostPhraseBeams));
}

std::vector<Candidate> allocate_beams(std::vector<PhraseCandidate> pool, std::size_t beams, std::size_t most_left) {
  std::stable_sort(pool.begin(), pool.end(), [](const PhraseCandidate& a, const PhraseCandidate& b) {
    return a.left != b.left ? a.left < b.left : a.candidate.score > b.candidate.score;
  });
  std::vector<Candidate> chosen, others;
  std::size_t room = 0, next = 0;
  const std::size_t banks = most_left + 1;
  for (std::size_t left = 0; left < banks; ++left) {
    // Shares of whole hypotheses, the first one rounded up, that sum to the beam.
    room += (beams * (left + 1) + banks - 1) / banks - (beams * left + banks - 1) / banks;
    for (; next < pool.size() && pool[next].left == left; ++next) {
      if (room == 0) {
        others.push_back(pool[next].candidate);
        continue;
      }
      chosen.push_back(pool[next].candidate);
      --room;
    }
  }
  chosen.insert(chosen.end(), others.begin(),
                others.begin() + static_cast<std::ptrdiff_t>(std::min(room, others.size())));
  std::stable_sort(chosen.begin(), chosen.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  return chosen;
}

}  // namespace polymoe
