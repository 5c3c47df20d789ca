#include "polymoe/text/gettext/catalog_pairs.h"

#include <algorithm>

#include "polymoe/base/random.h"
#include "polymoe/text/gettext/accelerators.h"

namespace polymoe {
namespace {

std::size_t count_char(std::string_view text, char c) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), c));
}

/// Adds the pairs of one text and its translation.
void add_pairs(std::string_view english, std::string_view translation, AcceleratorMark mark, std::size_t max_chars,
               std::vector<SegmentPair>& pairs, PairCounts& counts) {
  if (translation.empty() || is_metadata(english)) {
    ++counts.untranslated;
    return;
  }
  const std::vector<std::string_view> english_parts = split_paragraphs(english);
  const std::vector<std::string_view> translation_parts = split_paragraphs(translation);
  // "context|Text" is an old way to give a context, which translations leave out.
  if (english_parts.size() != translation_parts.size() || count_char(english, '|') != count_char(translation, '|')) {
    ++counts.unaligned;
    return;
  }
  for (std::size_t i = 0; i < english_parts.size(); ++i) {
    SegmentPair pair{strip_accelerator(clean_line(english_parts[i]), mark),
                     strip_translated_accelerator(clean_line(translation_parts[i]), mark)};
    const bool marks_differ = count_marks(pair.english, mark) != count_marks(pair.translation, mark);
    const PairFault fault = marks_differ ? PairFault::kMarkup : judge_pair(pair.english, pair.translation, max_chars);
    ++counts.by_fault[static_cast<std::size_t>(fault)];
    if (fault == PairFault::kKeep) pairs.push_back(std::move(pair));
  }
}

/// Long, with hardly more than two words a text.
bool is_list(const std::vector<SegmentPair>& pairs) {
  constexpr std::size_t kLong = 2 * kListCap;
  constexpr double kWords = 2.5;
  if (pairs.size() < kLong) return false;
  std::size_t words = 0;
  for (const SegmentPair& pair : pairs) words += 1 + count_char(pair.english, ' ');
  return static_cast<double>(words) < kWords * static_cast<double>(pairs.size());
}

}  // namespace

bool is_metadata(std::string_view english) {
  constexpr std::array<std::string_view, 6> kCredits = {"translator-credits", "translator_credits", "Your names",
                                                        "Your emails",        "translator credits", "TRANSLATORS"};
  return english.starts_with("_:") || std::find(kCredits.begin(), kCredits.end(), english) != kCredits.end();
}

PairCounts& PairCounts::operator+=(const PairCounts& other) {
  messages += other.messages;
  for (std::size_t i = 0; i < by_fault.size(); ++i) by_fault[i] += other.by_fault[i];
  unaligned += other.unaligned;
  undecodable += other.undecodable;
  unknown_directives += other.unknown_directives;
  untranslated += other.untranslated;
  over_list_cap += other.over_list_cap;
  repeated += other.repeated;
  return *this;
}

std::vector<SegmentPair> pairs_of(const MoCatalog& catalog, std::size_t max_chars, PairCounts& counts) {
  std::vector<SegmentPair> pairs;
  const AcceleratorMark mark = accelerator_mark_of(catalog.messages);
  constexpr unsigned long kMany =
      100;  // a number that takes the general plural in the languages with three or more forms
  const std::size_t singular = catalog.plural_rule.form_of(1), plural = catalog.plural_rule.form_of(kMany);
  counts.messages += catalog.messages.size();
  counts.undecodable += catalog.undecodable;
  counts.unknown_directives += catalog.unknown_directives;
  for (const CatalogMessage& message : catalog.messages) {
    const std::vector<std::string>& forms = message.translations;
    if (message.plural_id.empty()) {
      add_pairs(message.id, forms.front(), mark, max_chars, pairs, counts);
    } else {
      add_pairs(message.id, forms[std::min(singular, forms.size() - 1)], mark, max_chars, pairs, counts);
      add_pairs(message.plural_id, forms[std::min(plural, forms.size() - 1)], mark, max_chars, pairs, counts);
    }
  }
  if (is_list(pairs)) {
    const auto by_hash = [](const SegmentPair& a, const SegmentPair& b) { return fnv1a(a.english) < fnv1a(b.english); };
    std::stable_sort(pairs.begin(), pairs.end(), by_hash);
    counts.over_list_cap += pairs.size() - kListCap;
    pairs.resize(kListCap);
  }
  return pairs;
}

}  // namespace polymoe
