#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "polymoe/metrics.h"

namespace polymoe {

/// "ascii" or "unicode".
std::string_view rouge_tokens_name(RougeTokens tokens);
/// The tokens of that name. Throws Error for any other.
RougeTokens parse_rouge_tokens(std::string_view name);

/// The words of a segment (UTF-8), in order.
std::vector<std::u32string> rouge_words(std::string_view segment, RougeTokens tokens);

}  // namespace polymoe
