#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// A language that a text may be in.
struct DetectedLanguage {
  std::string code;       ///< "pt", "zh-Hant"; "und" where it cannot be told
  std::string own_code;   ///< the detector's, which some models use: "zh" of "zh-Hans", "no" of "nb"
  double confidence = 0;  ///< percent
};

/// The languages of a text, the likeliest first, by the Compact Language Detector 2: 83 languages, best from a sentence
/// on. At least one.
std::vector<DetectedLanguage> detect_languages(std::string_view text);

/// The English name of a language ("Portuguese"); its code where the detector has none.
std::string language_title(const std::string& code);

}  // namespace polymoe
