#include "polymoe/decode/alignment.h"

#include <algorithm>

#include "polymoe/base/utf8.h"
#include "polymoe/text/unicode.h"

namespace polymoe {

TokenTexts texts_of_tokens(const std::vector<std::int32_t>& ids, const std::vector<std::u32string>& pieces,
                           std::int32_t unk, const std::vector<std::string>& unknown) {
  TokenTexts texts;
  auto next = unknown.begin();
  for (const std::int32_t id : ids) {
    const bool has_text = id == unk && next != unknown.end();
    texts.push_back(has_text ? decode_utf8(*next++) : pieces.at(static_cast<std::size_t>(id)));
  }
  return texts;
}

std::vector<std::size_t> words_of_tokens(const TokenTexts& texts) {
  std::vector<std::size_t> words;
  std::size_t begun = 0;
  bool in_word = false;
  for (const std::u32string& text : texts) {
    bool is_placed = false;
    for (const char32_t c : text) {
      begun += !is_space(c) && !in_word ? 1 : 0;
      in_word = !is_space(c);
      if (in_word && !is_placed) {
        words.push_back(begun - 1);
        is_placed = true;
      }
    }
    if (!is_placed) words.push_back(in_word && begun > 0 ? begun - 1 : begun);
  }
  // Behind the last word there is none.
  for (std::size_t& word : words) word = std::min(word, begun > 0 ? begun - 1 : 0);
  return words;
}

std::vector<double> word_scores(const TokenTexts& texts, const std::vector<float>& token_scores) {
  const std::vector<std::size_t> words = words_of_tokens(texts);
  std::vector<double> scores(words.empty() ? 0 : words.back() + 1);
  for (std::size_t i = 0; i < words.size(); ++i) scores[words[i]] += static_cast<double>(token_scores[i]);
  if (token_scores.size() > texts.size()) scores.push_back(static_cast<double>(token_scores.back()));
  return scores;
}

WordAlignment align_words(const AttentionRows& attention, std::size_t first, const TokenTexts& source,
                          const TokenTexts& target) {
  const std::vector<std::size_t> from = words_of_tokens(source), to = words_of_tokens(target);
  if (from.empty() || to.empty()) return {};
  WordAlignment words(to.back() + 1, std::vector<float>(from.back() + 1));
  std::vector<float> tokens(words.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    tokens[to[i]] += 1.0f;
    for (std::size_t j = 0; j < from.size(); ++j) words[to[i]][from[j]] += attention[i][first + j];
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (float& weight : words[i]) weight /= std::max(1.0f, tokens[i]);
  }
  return words;
}

std::vector<std::string> copies_of_unknown(const AttentionRows& attention, std::size_t first,
                                           const std::vector<std::int32_t>& source, const TokenTexts& source_texts,
                                           const std::vector<std::int32_t>& target, std::int32_t unk) {
  const bool has_unknown = std::find(source.begin(), source.end(), unk) != source.end();
  std::vector<std::string> copies;
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (target[i] != unk) continue;
    std::size_t best = source.size();
    for (std::size_t j = 0; j < source.size(); ++j) {
      if (has_unknown && source[j] != unk) continue;
      if (best == source.size() || attention[i][first + j] > attention[i][first + best]) best = j;
    }
    copies.push_back(best < source.size() ? encode_utf8(source_texts[best]) : "");
  }
  return copies;
}

}  // namespace polymoe
