#include "polymoe/decode/phrases.h"

#include <algorithm>

namespace polymoe {
namespace {

using Ids = std::vector<std::int32_t>;

// Where the tokens begin that no phrase has used and this one may. A prefix is a text of its own, whose `<unk>` are not
// those of a placeholder.
std::size_t unused_from(const PhraseProgress& progress, const Phrase& phrase) {
  const std::size_t end = progress.placements.empty() ? 0 : progress.placements.back().end;
  return phrase.bound.empty() ? end : std::max(end, progress.prefix);
}

// How many tokens at the end of `ids`, from `begin` on, `form` begins with.
std::size_t begun(const Ids& form, const Ids& ids, std::size_t begin) {
  if (begin >= ids.size()) return 0;
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

// The tag that was opened last and is not closed.
std::size_t innermost(const std::vector<Phrase>& phrases, const PhraseProgress& progress) {
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    const std::size_t opening = phrases[i].opening;
    if (opening != Phrase::kNone && progress.met[opening] && !progress.met[i]) open.push_back(opening);
  }
  const auto last =
      std::find_first_of(progress.placements.rbegin(), progress.placements.rend(), open.begin(), open.end(),
                         [](const PhrasePlace& place, std::size_t opening) { return place.phrase == opening; });
  if (last != progress.placements.rend()) return last->phrase;
  return open.empty() ? Phrase::kNone : open.back();  // given by the prefix
}

// The phrases that may come next.
std::vector<std::size_t> possible(const std::vector<Phrase>& phrases, const PhraseProgress& progress) {
  const std::size_t open = innermost(phrases, progress);
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    const Phrase& phrase = phrases[i];
    const bool in_order = phrase.after == Phrase::kNone || progress.met[phrase.after];
    const bool nested = phrase.opening == Phrase::kNone || phrase.opening == open;
    if (!progress.met[i] && in_order && nested) indices.push_back(i);
  }
  return indices;
}

std::size_t tokens_unmet(const std::vector<Phrase>& phrases, const PhraseProgress& progress) {
  std::size_t tokens = 0;
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    if (!progress.met[i]) tokens += longest_form(phrases[i]);
  }
  return tokens;
}

std::size_t bound_of(const Phrase& phrase, std::size_t form) { return phrase.bound.empty() ? 0 : phrase.bound[form]; }

// What was begun saves all tokens of the longest form but those that are still to come.
void count_begun(const std::vector<Phrase>& phrases, const Ids& ids, PhraseProgress& progress) {
  std::size_t saved = 0;
  progress.bound = false;
  for (const std::size_t i : possible(phrases, progress)) {
    for (std::size_t form = 0; form < phrases[i].forms.size(); ++form) {
      const std::size_t count = begun(phrases[i].forms[form], ids, unused_from(progress, phrases[i]));
      if (count == 0) continue;
      saved = std::max(saved, longest_form(phrases[i]) - (phrases[i].forms[form].size() - count));
      const std::size_t bound = bound_of(phrases[i], form);
      progress.bound = progress.bound || (bound > 0 && count >= bound);
    }
  }
  progress.left = tokens_unmet(phrases, progress) - saved;
}

// The phrase that `ids` end with; false: none.
bool find_completed(const std::vector<Phrase>& phrases, const PhraseProgress& progress, const Ids& ids,
                    PhrasePlace& place) {
  for (const std::size_t i : possible(phrases, progress)) {
    for (std::size_t form = 0; form < phrases[i].forms.size(); ++form) {
      const std::size_t size = phrases[i].forms[form].size();
      if (begun(phrases[i].forms[form], ids, unused_from(progress, phrases[i])) != size) continue;
      place = {i, form, ids.size() - size, ids.size()};
      return true;
    }
  }
  return false;
}

}  // namespace

PhraseProgress begin_phrases(const std::vector<Phrase>& phrases, std::size_t prefix) {
  PhraseProgress progress{.met = {}, .placements = {}, .prefix = prefix};
  for (const Phrase& phrase : phrases) progress.met.push_back(phrase.given);
  progress.left = tokens_unmet(phrases, progress);
  return progress;
}

bool all_met(const PhraseProgress& progress) {
  return std::find(progress.met.begin(), progress.met.end(), false) == progress.met.end();
}

PhraseProgress continue_phrases(const std::vector<Phrase>& phrases, const PhraseProgress& progress, const Ids& ids) {
  PhraseProgress next = progress;
  PhrasePlace place;
  if (find_completed(phrases, progress, ids, place)) {
    next.met[place.phrase] = true;
    next.placements.push_back(place);
  }
  count_begun(phrases, ids, next);
  return next;
}

Ids next_of_phrases(const std::vector<Phrase>& phrases, const PhraseProgress& progress, const Ids& ids) {
  Ids next;
  for (const std::size_t i : possible(phrases, progress)) {
    for (std::size_t form = 0; form < phrases[i].forms.size(); ++form) {
      const Ids& own = phrases[i].forms[form];
      const std::size_t count = begun(own, ids, unused_from(progress, phrases[i])), bound = bound_of(phrases[i], form);
      const bool goes_on = bound > 0 && count >= bound;
      if (goes_on || !progress.bound) next.push_back(own[count]);
      if (!progress.bound) next.push_back(own.front());
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
