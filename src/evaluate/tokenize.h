#pragma once

#include <string>
#include <string_view>

namespace polymoe {

/// How BLEU cuts a segment into words; the names and the results are sacreBLEU's.
enum class Tokenizer {
  k13a,   ///< mteval-v13a, WMT's choice: ASCII punctuation apart, numbers whole, four XML entities resolved
  kIntl,  ///< mteval-v14 international: Unicode punctuation and symbols apart
  kZh,    ///< every Chinese character apart, the rest as 13a
  kChar,  ///< every character apart
  kNone,  ///< white space only
};

/// "13a", "intl", "zh", "char" or "none".
std::string_view tokenizer_name(Tokenizer tokenizer);

/// The tokenizer of that name. Throws Error that lists the names for any other.
Tokenizer parse_tokenizer(std::string_view name);

/// The usual choice for a target language (`zh_CN`, `ja`, `pt_BR`...): zh for Chinese, char for Japanese, Thai, Khmer,
/// Burmese and Lao, which write no spaces between words, else 13a.
Tokenizer default_tokenizer(std::string_view language);

/// The segment (code points) with its tokens apart by white space; split_words() gives them.
std::u32string tokenize(std::u32string_view segment, Tokenizer tokenizer);

}  // namespace polymoe
