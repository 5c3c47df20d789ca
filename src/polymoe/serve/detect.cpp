#include "polymoe/serve/detect.h"

#include <algorithm>
#include <array>
#include <climits>

#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>

namespace polymoe {
namespace {

/// What others call languages that the detector names in its own way.
struct OtherCode {
  std::string_view detector, usual;
};
constexpr std::array<OtherCode, 4> kOtherCodes = {{{"iw", "he"}, {"jw", "jv"}, {"zh", "zh-Hans"}, {"no", "nb"}}};

std::string usual_code(std::string_view detector) {
  for (const OtherCode& other : kOtherCodes) {
    if (other.detector == detector) return std::string(other.usual);
  }
  return std::string(detector);
}

}  // namespace

std::vector<DetectedLanguage> detect_languages(std::string_view text) {
  constexpr int kMostLanguages = 3;
  constexpr double kUnreliable = 0.5;  // the share of confidence that is left where the detector doubts
  const CLD2::CLDHints no_hints = {nullptr, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
  std::array<CLD2::Language, kMostLanguages> languages{};
  std::array<int, kMostLanguages> percents{};
  std::array<double, kMostLanguages> scores{};
  int text_bytes = 0, valid_bytes = 0;
  bool is_reliable = false;
  CLD2::ExtDetectLanguageSummaryCheckUTF8(text.data(), static_cast<int>(std::min<std::size_t>(text.size(), INT_MAX)),
                                          /*is_plain_text=*/true, &no_hints, CLD2::kCLDFlagBestEffort, languages.data(),
                                          percents.data(), scores.data(), nullptr, &text_bytes, &is_reliable,
                                          &valid_bytes);
  std::vector<DetectedLanguage> detected;
  for (std::size_t i = 0; i < languages.size(); ++i) {
    if (languages[i] == CLD2::UNKNOWN_LANGUAGE || percents[i] == 0) continue;
    const char* const code = CLD2::LanguageCode(languages[i]);
    detected.push_back({usual_code(code), code, percents[i] * (is_reliable ? 1.0 : kUnreliable)});
  }
  if (detected.empty()) detected.push_back({"und", "und", 0});
  return detected;
}

std::string language_title(const std::string& code) {
  std::string wanted = code;
  std::replace(wanted.begin(), wanted.end(), '_', '-');
  for (const OtherCode& other : kOtherCodes) {
    if (other.usual == wanted) wanted = other.detector;
  }
  if (wanted == "zh-CN") wanted = "zh";
  if (wanted == "zh-TW") wanted = "zh-Hant";
  const std::string base = wanted.substr(0, wanted.find('-'));
  for (const std::string& name : {wanted, base}) {
    for (int i = 0; i < CLD2::NUM_LANGUAGES; ++i) {
      const auto language = static_cast<CLD2::Language>(i);
      if (name != CLD2::LanguageCode(language)) continue;
      std::string title = CLD2::LanguageName(language);
      if (title.find('_') != std::string::npos) return code;
      for (std::size_t at = 1; at < title.size(); ++at) {
        if (title[at] >= 'A' && title[at] <= 'Z') title[at] = static_cast<char>(title[at] | 0x20);
      }
      if (name == wanted) return title;
      return title + " (" + code + ")";
    }
  }
  return code;
}

}  // namespace polymoe
