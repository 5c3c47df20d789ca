#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Scores of translations and summaries against references: BLEU, chrF and TER as sacreBLEU has them, ROUGE as the
/// rouge-score package does. Text is UTF-8. All functions may be called from several threads at once.
namespace polymoe {
inline namespace v0 {

/// How BLEU cuts a segment into words; the names and the results are sacreBLEU's.
enum class Tokenizer {
  k13a,   ///< mteval-v13a, WMT's choice: ASCII punctuation apart, numbers whole, four XML entities resolved
  kIntl,  ///< mteval-v14 international: Unicode punctuation and symbols apart
  kZh,    ///< every Chinese character apart, the rest as 13a
  kChar,  ///< every character apart
  kNone,  ///< white space only
};

/// The usual choice for a target language, by its code of two or three letters (`zh_CN`, `ja`, NLLB's `jpn_Jpan`...):
/// zh for Chinese, char for Japanese, Thai, Khmer, Burmese and Lao, which write no spaces between words, else 13a.
Tokenizer default_tokenizer(std::string_view language);

/// What stands in for an n-gram precision of zero (Chen and Cherry, "A systematic comparison of smoothing techniques
/// for sentence-level BLEU", WMT 2014).
enum class BleuSmoothing {
  kExponential,  ///< 1/2, 1/4, 1/8... of one match for each order in turn that has none (NIST's)
  kFloor,        ///< `smoothing_value` matches, 0.1 unless given
  kAddK,         ///< `smoothing_value` added to matches and n-grams of the orders over 1, 1 unless given
  kNone,
};

/// A tokenizer of the caller's, such as a SentencePiece model for spBLEU.
struct CustomTokenizer {
  std::string name;                                       ///< in the signature
  std::function<std::string(std::string_view)> separate;  ///< the segment with white space between its words
};

struct BleuOptions {
  Tokenizer tokenizer = Tokenizer::k13a;
  std::optional<CustomTokenizer> custom_tokenizer = std::nullopt;  ///< instead of `tokenizer`
  bool lowercase = false;
  BleuSmoothing smoothing = BleuSmoothing::kExponential;
  std::optional<double> smoothing_value = std::nullopt;  ///< for kFloor and kAddK
  std::size_t max_order = 4;
  bool effective_order = false;  ///< average only over the orders that the hypotheses have; wanted for one sentence
};

struct BleuScore {
  double score = 0;                   ///< 0 to 100
  std::vector<std::uint64_t> counts;  ///< n-grams of the hypotheses that match, by order (before smoothing)
  std::vector<std::uint64_t> totals;  ///< n-grams of the hypotheses, by order
  std::vector<double> precisions;     ///< 0 to 100, smoothed, by order; all 0 where nothing matches
  double brevity_penalty = 1;         ///< exp(1 - reference_length / hypothesis_length), at most 1
  std::uint64_t hypothesis_length = 0;
  std::uint64_t reference_length = 0;  ///< each segment's reference of the closest length, the shorter of two
  std::string signature;               ///< the options in sacreBLEU's notation: "nrefs:1|case:mixed|eff:no|tok:13a|..."
};

/// BLEU of a corpus (Papineni et al., "BLEU: a method for automatic evaluation of machine translation", ACL 2002),
/// with sacreBLEU's arithmetic. `reference_streams[r][i]` is the r-th reference of hypothesis i; text is UTF-8.
/// Throws Error for streams of unequal length, no segments, or options out of range.
BleuScore corpus_bleu(std::span<const std::string> hypotheses,
                      std::span<const std::vector<std::string>> reference_streams, const BleuOptions& options = {});

/// BLEU of one segment against its references. sacreBLEU's sentence BLEU has `effective_order` set.
BleuScore sentence_bleu(std::string_view hypothesis, std::span<const std::string> references,
                        const BleuOptions& options);

struct ChrfOptions {
  std::size_t char_order = 6;
  std::size_t word_order = 0;  ///< 2 makes it chrF++
  unsigned beta = 2;           ///< recall counts beta times as much as precision
  bool lowercase = false;
  bool whitespace = false;     ///< whether spaces belong to the character n-grams
  bool eps_smoothing = false;  ///< average F over all orders, absent ones too, as chrF++.py does; else the average
                               ///< precision and recall of the orders that both sides have
};

struct ChrfScore {
  double score = 0;       ///< 0 to 100
  std::string name;       ///< "chrF2", "chrF2++": beta and a plus for each word order
  std::string signature;  ///< the options in sacreBLEU's notation: "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no"
};

/// chrF and chrF++ of a corpus (Popović, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015;
/// "chrF++: words helping character n-grams", WMT 2017), with sacreBLEU's arithmetic. Of several references each
/// segment takes the one with the best score. `reference_streams[r][i]` is the r-th reference of hypothesis i; text
/// is UTF-8. Throws Error for streams of unequal length, no segments, or options out of range.
ChrfScore corpus_chrf(std::span<const std::string> hypotheses,
                      std::span<const std::vector<std::string>> reference_streams, const ChrfOptions& options = {});

/// The same for one segment and its references.
ChrfScore sentence_chrf(std::string_view hypothesis, std::span<const std::string> references,
                        const ChrfOptions& options = {});

/// How TER cuts a segment into words: at white space, after what is set here.
struct TerOptions {
  bool case_sensitive = false;
  bool normalized = false;      ///< punctuation and the English 's apart, XML entities resolved, as Tercom does
  bool no_punctuation = false;  ///< without . , ? : ; ! " ( )
  bool asian_support = false;   ///< `normalized` sets each Chinese character and mark of punctuation apart,
                                ///< `no_punctuation` removes such marks
};

struct TerScore {
  double score = 0;             ///< edits for 100 words of the reference: 0 is best, and it may exceed 100
  std::uint64_t edits = 0;      ///< words inserted, deleted or replaced, and runs of words shifted
  double reference_length = 0;  ///< in words, of several references the mean
  std::string signature;        ///< the options in sacreBLEU's notation: "nrefs:1|case:lc|tok:tercom|norm:no|..."
};

/// Translation edit rate of a corpus (Snover et al., "A study of translation edit rate with targeted human annotation",
/// AMTA 2006), with sacreBLEU's search for shifts. Each segment counts the edits to the reference that needs the
/// fewest. `reference_streams[r][i]` is the r-th reference of hypothesis i. A segment's time grows with its length and
/// that of its reference, and with the shifts tried, at most 1,000. Throws Error for streams of unequal length and for
/// no segments.
TerScore corpus_ter(std::span<const std::string> hypotheses,
                    std::span<const std::vector<std::string>> reference_streams, const TerOptions& options = {});

/// The same for one segment and its references.
TerScore sentence_ter(std::string_view hypothesis, std::span<const std::string> references,
                      const TerOptions& options = {});

/// What ROUGE takes for words. Both lower the case first and do not stem.
enum class RougeTokens {
  kAscii,    ///< runs of a-z and 0-9, all else parts them: the rouge-score package's. Other scripts vanish
  kUnicode,  ///< runs of whatever is neither white space, punctuation nor symbol; in scripts that write no spaces
             ///< between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each character. On ASCII text the same
};

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

}  // namespace v0
}  // namespace polymoe
