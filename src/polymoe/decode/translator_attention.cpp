#include "polymoe/decode/translator.h"

#include <algorithm>
#include <utility>

#include "polymoe/base/quote.h"
#include "polymoe/base/utf8.h"
#include "polymoe/decode/forced.h"
#include "polymoe/text/placeholders.h"
#include "polymoe/text/sentences.h"
#include "polymoe/text/unicode.h"

// What translators make of a model's attention.
namespace polymoe {

// Alignments of translations, and texts for their unknown tokens: the model reads them once more.
void Translator::attend(std::span<SentenceWork* const> works, const std::vector<std::vector<Hypothesis>>& hypotheses,
                        std::int32_t start, const SearchSymbols& symbols) const {
  std::vector<ForcedTarget> targets;
  std::vector<std::pair<std::size_t, std::size_t>> places;  // a work and a rank
  for (std::size_t i = 0; i < works.size(); ++i) {
    const TextDemands& asked = *works[i]->asked;
    for (std::size_t rank = 0; rank < hypotheses[i].size(); ++rank) {
      const std::vector<std::int32_t>& ids = hypotheses[i][rank].ids;
      const bool is_unknown = std::find(ids.begin(), ids.end(), vocabulary_.unk()) != ids.end();
      if (!asked.alignments && !(asked.replace_unknowns && is_unknown)) continue;
      targets.push_back({.source = works[i]->source, .target = ids});
      places.emplace_back(i, rank);
    }
  }
  if (targets.empty()) return;
  const std::vector<AttentionRows> attention = forced_attention(*model_, targets, start, symbols.forced);
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const auto [i, rank] = places[t];
    take_attention(*works[i], works[i]->translations[rank], hypotheses[i][rank], attention[t]);
  }
}

void Translator::take_attention(const SentenceWork& work, Translation& translation, const Hypothesis& hypothesis,
                                const AttentionRows& attention) const {
  const std::vector<std::int32_t>& ids = hypothesis.ids;
  const auto begin = work.source.begin() + static_cast<std::ptrdiff_t>(work.first_text);
  const std::vector<std::int32_t> source(begin, begin + static_cast<std::ptrdiff_t>(work.text_tokens));
  const std::int32_t unk = vocabulary_.unk();
  const TokenTexts source_texts =
      texts_of_tokens(source, pieces(), unk, vocabulary_.unknown_texts(work.text, work.language));
  const std::size_t given = work.prefix.unknown.size();  // of the unknown tokens, those of the prefix
  std::vector<std::string> unknown = work.prefix.unknown;
  if (work.asked->replace_unknowns && work.literals.empty()) {
    unknown = copies_of_unknown(attention, work.first_text, source, source_texts, ids, unk);
    std::copy_n(work.prefix.unknown.begin(), given, unknown.begin());
  }
  const TokenTexts target_texts = texts_of_tokens(ids, pieces(), unk, unknown);
  if (unknown.size() > given) {
    std::u32string text;
    for (std::size_t i = work.prefix.ids.size(); i < target_texts.size(); ++i) text += target_texts[i];
    translation.text = work.prefix.text + one_line(encode_utf8(strip_end(text)));
    translation.text.erase(0, translation.text.find_first_not_of(' '));
    translation.copied = unknown.size() - given;
    if (work.demands.token_scores) translation.word_scores = word_scores(target_texts, hypothesis.token_scores);
    check_text(translation, work);
  }
  if (work.asked->alignments) {
    translation.alignment = align_words(attention, work.first_text, source_texts, target_texts);
  }
}

void Translator::check_text(Translation& translation, const SentenceWork& work) const {
  translation.keeps_placeholders = !work.protects || keeps_placeholders(work.text, translation.text);
  if (work.demands.forbidden != nullptr) {
    translation.forbidden_phrases = work.demands.forbidden->count_in(translation.text);
  }
}

std::vector<double> Translator::join_word_scores(std::span<const SentenceWork> parts, std::size_t rank) {
  std::vector<std::string> texts;
  std::vector<double> scores;
  double ends = 0.0;
  bool has_end = false;
  for (const SentenceWork& part : parts) {
    const Translation& own = part.translations[std::min(rank, part.translations.size() - 1)];
    texts.push_back(own.text);
    const std::size_t through = count_words(join_sentences(texts)), words = count_words(own.text);
    scores.resize(std::max(scores.size(), through));
    for (std::size_t i = 0; i < own.word_scores.size(); ++i) {
      if (i < words) {
        scores[through - words + i] += own.word_scores[i];
      } else {
        ends += own.word_scores[i];
        has_end = true;
      }
    }
  }
  if (has_end) scores.push_back(ends);
  return scores;
}

// The parts of both sides are divided by spaces, but for scripts without, whose words then join.
WordAlignment Translator::join_alignments(std::span<const SentenceWork> parts, std::size_t rank) {
  std::vector<std::string> sources, targets;
  std::vector<const WordAlignment*> alignments;
  std::vector<std::pair<std::size_t, std::size_t>> begins;  // of each part, its first words
  for (const SentenceWork& part : parts) {
    const Translation& own = part.translations[std::min(rank, part.translations.size() - 1)];
    sources.push_back(part.text);
    targets.push_back(own.text);
    alignments.push_back(&own.alignment);
    begins.emplace_back(count_words(join_sentences(targets)) - count_words(own.text),
                        count_words(join_sentences(sources)) - count_words(part.text));
  }
  WordAlignment whole(count_words(join_sentences(targets)), std::vector<float>(count_words(join_sentences(sources))));
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const WordAlignment& own = *alignments[p];
    for (std::size_t i = 0; i < own.size() && begins[p].first + i < whole.size(); ++i) {
      std::vector<float>& row = whole[begins[p].first + i];
      for (std::size_t j = 0; j < own[i].size() && begins[p].second + j < row.size(); ++j) {
        row[begins[p].second + j] = own[i][j];
      }
    }
  }
  return whole;
}

}  // namespace polymoe
