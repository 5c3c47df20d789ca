#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// What ROUGE takes for words. Both lower the case first and do not stem.
enum class RougeTokens {
  kAscii,    ///< runs of a-z and 0-9, all else parts them: the rouge-score package's. Other scripts vanish
  kUnicode,  ///< runs of whatever is neither white space, punctuation nor symbol; in scripts that write no spaces
             ///< between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each character. On ASCII text the same
};

/// "ascii" or "unicode".
std::string_view rouge_tokens_name(RougeTokens tokens);
/// The tokens of that name. Throws Error for any other.
RougeTokens parse_rouge_tokens(std::string_view name);

/// The words of a segment (UTF-8), in order.
std::vector<std::u32string> rouge_words(std::string_view segment, RougeTokens tokens);

struct RougeValue {
  double precision = 0;  ///< 0 to 100, as all of these
  double recall = 0;
  double f = 0;  ///< their harmonic mean, the score to quote
};

struct RougeScore {
  RougeValue rouge1;   ///< words
  RougeValue rouge2;   ///< pairs of neighbours
  RougeValue rouge_l;  ///< longest common subsequence
};

/// ROUGE-1, ROUGE-2 and ROUGE-L (Lin, "ROUGE: a package for automatic evaluation of summaries", 2004) of one segment,
/// with the arithmetic of the rouge-score package without stemming. Of several references each measure takes the one
/// with the best f. The time of ROUGE-L is the product of both lengths.
RougeScore sentence_rouge(std::string_view hypothesis, std::span<const std::string> references,
                          RougeTokens tokens = RougeTokens::kUnicode);

/// The means over segments. `reference_streams[r][i]` is the r-th reference of hypothesis i. Throws Error for streams
/// of unequal length and for no segments.
RougeScore corpus_rouge(std::span<const std::string> hypotheses,
                        std::span<const std::vector<std::string>> reference_streams,
                        RougeTokens tokens = RougeTokens::kUnicode);

}  // namespace polymoe
