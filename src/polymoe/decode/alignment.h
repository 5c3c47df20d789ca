#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "polymoe/decode/forced.h"

namespace polymoe {

/// How much each word of a translation attends to each word of its source, [target words][source words]; words are
/// what spaces divide. What a row lacks to 1 went to tags and the end mark.
using WordAlignment = std::vector<std::vector<float>>;

/// What a sequence of tokens shows, token by token.
using TokenTexts = std::vector<std::u32string>;

/// The texts of `ids` by `pieces` (piece_texts()); of those that are `unk`, in their order, `unknown`, as far as there
/// are any.
TokenTexts texts_of_tokens(const std::vector<std::int32_t>& ids, const std::vector<std::u32string>& pieces,
                           std::int32_t unk, const std::vector<std::string>& unknown);

/// The word that each token belongs to; one that shows nothing belongs to the word behind it.
std::vector<std::size_t> words_of_tokens(const TokenTexts& texts);

/// The scores of words from those of tokens; that of the end mark, where there is one, is the last.
std::vector<double> word_scores(const TokenTexts& texts, const std::vector<float>& token_scores);

/// From the attention of tokens: a word's is the mean of its tokens', to a word it is the sum of that to its tokens.
/// `first`: of the source's rows, the column where its text begins.
WordAlignment align_words(const AttentionRows& attention, std::size_t first, const TokenTexts& source,
                          const TokenTexts& target);

/// For each `unk` of `target` the text of the source's token, among those that are `unk` where it has any, that it
/// attends to most: `source` are the ids of the text alone, which begin in column `first`.
std::vector<std::string> copies_of_unknown(const AttentionRows& attention, std::size_t first,
                                           const std::vector<std::int32_t>& source, const TokenTexts& source_texts,
                                           const std::vector<std::int32_t>& target, std::int32_t unk);

}  // namespace polymoe
