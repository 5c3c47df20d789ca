#include "polymoe/config/nearest.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace polymoe {
namespace {

std::string_view last_part(std::string_view key) { return key.substr(key.rfind('.') + 1); }

/// True when `shorter` is made of the first words of `longer`: "beam" and "beam-size".
bool starts_with_words(std::string_view longer, std::string_view shorter) {
  return longer.size() > shorter.size() && longer.starts_with(shorter) && longer[shorter.size()] == '-';
}

/// Whether one lacks words at its end that the other has.
bool lacks_words(std::string_view a, std::string_view b) {
  return !a.empty() && !b.empty() && (starts_with_words(a, b) || starts_with_words(b, a));
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substitution});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string normalize_key(std::string_view word) {
  std::string key(word);
  for (char& c : key) c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  // Words that merely look British ("noise") change too; both sides of a comparison change alike.
  constexpr std::pair<std::string_view, std::string_view> kSpellings[] = {
      {"ise", "ize"}, {"isa", "iza"}, {"isi", "izi"}, {"yse", "yze"}, {"our", "or"}, {"centre", "center"}};
  for (const auto& [british, american] : kSpellings) {
    for (std::size_t at = key.find(british); at != std::string::npos; at = key.find(british, at + american.size())) {
      key.replace(at, british.size(), american);
    }
  }
  return key;
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongest = 100;  // no key is longer, and the distance takes quadratic time
  if (word.empty() || word.size() > kLongest) return "";
  const std::string wanted = normalize_key(word);
  const std::string_view wanted_last = last_part(wanted);
  const std::string_view wanted_section = std::string_view(wanted).substr(0, wanted.size() - wanted_last.size());

  // Distances are half edits. A candidate is near where missing words count as one edit and another section as half of
  // one; of those that are near, missing words are worse than an edit and another section worse than both.
  const std::size_t limit = 2 * std::max<std::size_t>(1, wanted_last.size() / 3) + 2;
  std::string best;
  std::size_t best_rank = 0;
  for (const std::string& candidate : candidates) {
    const std::string key = normalize_key(candidate);
    const std::string_view last = last_part(key);
    const std::string_view section = std::string_view(key).substr(0, key.size() - last.size());
    const bool elsewhere = section != wanted_section, lacking = lacks_words(wanted_last, last);
    const std::size_t whole = 2 * edit_distance(wanted, key);
    const std::size_t part = lacking ? 2 : 2 * edit_distance(wanted_last, last);
    if (std::min(whole, part + (elsewhere ? 1 : 0)) >= limit) continue;
    const std::size_t rank = std::min(whole, part + (lacking ? 1 : 0) + (elsewhere ? 3 : 0));
    if (best.empty() || rank < best_rank) {
      best_rank = rank;
      best = candidate;
    }
  }
  return best;
}

}  // namespace polymoe
