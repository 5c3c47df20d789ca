#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// The sentences of a text, as views into it without the white space between them; none is empty. A sentence ends
/// behind '.', '!', '?' and their like with closing signs, where white space and no small letter follow; not behind
/// initials and usual abbreviations ("Dr.", "z.B."). The full stops of Chinese and Japanese need no white space.
std::vector<std::string_view> split_sentences(std::string_view text);

/// The text in parts for which `fits` is true: whole, or halved again and again, at the end of a sentence or clause
/// near the middle, at white space, or where there is none between two characters. A single character always fits.
std::vector<std::string_view> split_to_fit(std::string_view text, const std::function<bool(std::string_view)>& fits);

/// The translations of a text's parts as one text, with a space between two unless the first ends with a full stop of
/// Chinese or Japanese.
std::string join_sentences(const std::vector<std::string>& parts);

}  // namespace polymoe
