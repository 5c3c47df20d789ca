#include "polymoe/evaluate/tokenize.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "polymoe/base/error.h"
#include "polymoe/base/utf8.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

std::string tokens(std::string_view text, Tokenizer tokenizer) {
  const std::u32string line = tokenize(decode_utf8(text), tokenizer);
  std::u32string joined;
  for (const auto word : split_words(line)) joined.append(joined.empty() ? U"" : U"|").append(word);
  return encode_utf8(joined);
}

TEST(Tokenize13a, SetsPunctuationApartButNotInsideNumbers) {
  EXPECT_EQ(tokens("Pay 1,000.5 now, (or 3-4 later).", Tokenizer::k13a), "Pay|1,000.5|now|,|(|or|3|-|4|later|)|.");
  EXPECT_EQ(tokens("It's well-known", Tokenizer::k13a), "It's|well-known");
}

TEST(Tokenize13a, ResolvesEntitiesOneAfterTheOther) {
  EXPECT_EQ(tokens("&quot;a&amp;b&quot; &amp;lt; &gt;", Tokenizer::k13a), "\"|a|&|b|\"|<|>");
}

TEST(Tokenize13a, DropsSkippedMarksAndJoinsHyphenatedLineEnds) {
  EXPECT_EQ(tokens("one <skipped>two hy-\nphen\nnext", Tokenizer::k13a), "one|two|hyphen|next");
}

TEST(Tokenize13a, LeavesPunctuationOutsideAsciiAlone) {
  EXPECT_EQ(tokens("„früh“ – 早、", Tokenizer::k13a), "„früh“|–|早、");
}

TEST(TokenizeIntl, SetsUnicodePunctuationAndSymbolsApart) {
  EXPECT_EQ(tokens("„früh“ 5€ 1.250,75 don't", Tokenizer::kIntl), "„|früh|“|5|€|1.250,75|don|'|t");
}

TEST(TokenizeIntl, LeavesAPeriodAfterANumberAtTheEnd) {
  EXPECT_EQ(tokens("in 1999.", Tokenizer::kIntl), "in|1999.");
  EXPECT_EQ(tokens("in 1999. Then", Tokenizer::kIntl), "in|1999|.|Then");
}

TEST(TokenizeZh, SetsEveryChineseCharacterApartAndTheRestAs13a) {
  EXPECT_EQ(tokens("他花了1,000.5元(很多)。OK?", Tokenizer::kZh), "他|花|了|1,000.5|元|(|很|多|)|。|OK|?");
}

TEST(TokenizeZh, CountsCurlyQuotesAndDashesAsChinese) { EXPECT_EQ(tokens("a“b”—c", Tokenizer::kZh), "a|“|b|”|—|c"); }

TEST(TokenizeChar, SetsEveryCharacterApart) { EXPECT_EQ(tokens("ab กา", Tokenizer::kChar), "a|b|ก|า"); }

TEST(TokenizeNone, SplitsAtWhiteSpaceOnly) {
  EXPECT_EQ(tokens(" a,b\tc\u00a0d\u3000e\u200bf ", Tokenizer::kNone), "a,b|c|d|e\u200bf");
}

TEST(TokenizerNames, ReadBackAsTheSameTokenizer) {
  for (const auto tokenizer : {Tokenizer::k13a, Tokenizer::kIntl, Tokenizer::kZh, Tokenizer::kChar, Tokenizer::kNone}) {
    EXPECT_EQ(parse_tokenizer(tokenizer_name(tokenizer)), tokenizer);
  }
  EXPECT_EQ(tokenizer_name(Tokenizer::kIntl), "intl");
}

TEST(TokenizerNames, AnUnknownNameIsAnErrorThatListsTheNames) {
  try {
    parse_tokenizer("14a");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "no tokenizer is called '14a'; use 13a, intl, zh, char or none");
  }
}

TEST(DefaultTokenizer, GoesByTheLanguageWhateverTheCountry) {
  EXPECT_EQ(default_tokenizer("zh_CN"), Tokenizer::kZh);
  for (const auto* language : {"zh-TW", "zho_Hans", "zho_Hant", "yue_Hant", "cmn"}) {
    EXPECT_EQ(default_tokenizer(language), Tokenizer::kZh) << language;
  }
  for (const auto* language :
       {"ja", "th", "km", "my", "lo_LA", "jpn_Jpan", "tha_Thai", "khm_Khmr", "mya_Mymr", "lao_Laoo"}) {
    EXPECT_EQ(default_tokenizer(language), Tokenizer::kChar) << language;
  }
  for (const auto* language : {"de", "pt_BR", "ko", "ar", "sr@latin", "kor_Hang", "deu_Latn", ""}) {
    EXPECT_EQ(default_tokenizer(language), Tokenizer::k13a) << language;
  }
}

}  // namespace
}  // namespace polymoe
