#pragma once

#include <string>
#include <string_view>

#include "polymoe/metrics.h"

namespace polymoe {

/// "13a", "intl", "zh", "char" or "none".
std::string_view tokenizer_name(Tokenizer tokenizer);

/// The tokenizer of that name. Throws Error that lists the names for any other.
Tokenizer parse_tokenizer(std::string_view name);

/// The segment (code points) with its tokens apart by white space; split_words() gives them.
std::u32string tokenize(std::u32string_view segment, Tokenizer tokenizer);

/// The same as TER's options have it, lower-cased unless they are case-sensitive.
std::u32string tokenize_ter(std::u32string_view segment, const TerOptions& options);

}  // namespace polymoe
