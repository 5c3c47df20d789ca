#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// The sentences of a text, as views into it without the white space between them; none is empty. A sentence ends
/// behind '.', '!', '?' and their like with closing signs, where white space and no small letter follow; not behind
/// initials and usual abbreviations ("Dr.", "z.B."). A small letter may follow where the text has no capital one, and a
/// full stop that stands by itself, as tokenizers write it. The full stops of Chinese and Japanese need no white space.
/// `whole` are views into the text within which nothing ends, such as tags.
std::vector<std::string_view> split_sentences(std::string_view text, std::span<const std::string_view> whole = {});

/// The text in parts for which `fits` is true: whole, or halved again and again, at the end of a sentence or clause
/// near the middle, at white space, or where there is none between two characters. A single character always fits.
/// What is in `whole`, views into the text, is cut only where it does not fit by itself.
std::vector<std::string_view> split_to_fit(std::string_view text, const std::function<bool(std::string_view)>& fits,
                                           std::span<const std::string_view> whole = {});

/// The translations of a text's parts as one text, with a space between two unless the first ends with a full stop of
/// Chinese or Japanese.
std::string join_sentences(const std::vector<std::string>& parts);

}  // namespace polymoe
