#include "polymoe/text/vocabulary.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "polymoe/base/random.h"
#include "polymoe/text/normalization_check.h"

namespace polymoe {
namespace {

using ::testing::HasSubstr;

/// Real sentences of a few kinds, and the names of special symbols again and again, so that pieces could be learned
/// from them.
std::vector<std::string> sample_text() {
  std::vector<std::string> sentences;
  for (int i = 0; i < 300; ++i) {
    sentences.push_back("The file number " + std::to_string(i) + " was not found in the folder.");
    sentences.push_back("Die Datei mit der Nummer " + std::to_string(i) + " wurde nicht gefunden.");
    sentences.push_back("Файл не найден: попробуйте ещё раз, " + std::to_string(i) + " раз.");
    sentences.push_back("<2de> <mask> <denoise> </s> <s> <pad> <unk>");
    sentences.push_back("Markup such as </p> and <k2> is just text.");
  }
  return sentences;
}

VocabularyOptions small_options() {
  VocabularyOptions options;
  options.size = 110;
  return options;
}

Vocabulary load_bytes(const std::string& bytes) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("polymoe-vocabulary-" + std::to_string(getpid()));
  std::ofstream(path, std::ios::binary) << bytes;
  try {
    Vocabulary vocabulary = Vocabulary::load(path);
    std::filesystem::remove(path);
    return vocabulary;
  } catch (...) {
    std::filesystem::remove(path);
    throw;
  }
}

const std::string& sample_bytes() {
  static const std::string bytes = train_vocabulary(small_options(), {"en", "de", "zh_CN"}, sample_text());
  return bytes;
}

const Vocabulary& sample_vocabulary() {
  static const Vocabulary vocabulary = load_bytes(sample_bytes());
  return vocabulary;
}

/// What `action` says when it fails, or "" when it does not.
template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Vocabulary, PutsMaskAndTagsBehindTheFourCommonIds) {
  const Vocabulary& vocabulary = sample_vocabulary();
  EXPECT_EQ(vocabulary.size(), 110);
  EXPECT_EQ(vocabulary.bos(), 0);
  EXPECT_EQ(vocabulary.pad(), 1);
  EXPECT_EQ(vocabulary.eos(), 2);
  EXPECT_EQ(vocabulary.unk(), 3);
  EXPECT_EQ(vocabulary.mask(), 4);
  EXPECT_EQ(vocabulary.task_tag("denoise"), 5);
  EXPECT_EQ(vocabulary.languages(), (std::vector<std::string>{"en", "de", "zh_CN"}));
  EXPECT_EQ(vocabulary.language_tag("en"), 6);
  EXPECT_EQ(vocabulary.language_tag("zh_CN"), 8);
  EXPECT_EQ(vocabulary.language_tag(1), 7);
  EXPECT_EQ(vocabulary.language_index("zh_CN"), 2);
  for (const std::int32_t id : {0, 1, 2, 4, 5, 6, 7, 8}) EXPECT_TRUE(vocabulary.is_special(id)) << id;
  for (const std::int32_t id : {3, 9, 109}) EXPECT_FALSE(vocabulary.is_special(id)) << id;
}

TEST(Vocabulary, DecodesWhatItEncoded) {
  for (const std::string& text : sample_text()) {
    const std::vector<std::int32_t> ids = sample_vocabulary().encode(text);
    EXPECT_LT(ids.size(), text.size());
    EXPECT_EQ(sample_vocabulary().decode(ids), text);
  }
}

TEST(Vocabulary, EncodeAppends) {
  std::vector<std::int32_t> ids = {6};
  sample_vocabulary().encode("The file", 0, ids);
  std::vector<std::int32_t> expected = sample_vocabulary().encode("The file");
  expected.insert(expected.begin(), 6);
  EXPECT_EQ(ids, expected);
}

TEST(Vocabulary, TextNeverBecomesASpecialId) {
  for (const char* type : {"unigram", "bpe"}) {
    VocabularyOptions options = small_options();
    options.model_type = type;
    const Vocabulary vocabulary = load_bytes(train_vocabulary(options, {"en", "de"}, sample_text()));
    for (const std::string text :
         {"<2de>", "x<2de>y", "<mask><denoise>", "</s> <s> <pad> <unk>", "\xe2\x96\x81<2en>"}) {
      for (const std::int32_t id : vocabulary.encode(text)) EXPECT_FALSE(vocabulary.is_special(id)) << type << text;
    }
    EXPECT_EQ(vocabulary.decode(vocabulary.encode("<2de> <mask>")), "<2de> <mask>") << type;
  }
}

TEST(Vocabulary, DecodeDropsSpecialIdsAndRefusesIdsOutside) {
  const Vocabulary& vocabulary = sample_vocabulary();
  std::vector<std::int32_t> ids = vocabulary.encode("The file was not found");
  ids.insert(ids.begin(), {vocabulary.language_tag("de"), vocabulary.bos(), vocabulary.mask()});
  ids.insert(ids.end(), {vocabulary.eos(), vocabulary.pad()});
  EXPECT_EQ(vocabulary.decode(ids), "The file was not found");
  EXPECT_EQ(vocabulary.decode({}), "");
  EXPECT_THROW(vocabulary.decode({110}), Error);
  EXPECT_THROW(vocabulary.decode({-1}), Error);
}

TEST(Vocabulary, NamesTheNearestLanguage) {
  EXPECT_EQ(error_of([] { sample_vocabulary().language_tag("dee"); }),
            "the vocabulary has no language 'dee'; did you mean 'de'? known: en, de, zh_CN");
  EXPECT_THAT(error_of([] { sample_vocabulary().language_index("qqqqqq"); }), HasSubstr("known: en, de, zh_CN"));
  EXPECT_THAT(error_of([] { sample_vocabulary().task_tag("denoising"); }), HasSubstr("known: denoise"));
}

TEST(Vocabulary, SpellsUnknownCharactersInBytesWhereAsked) {
  const std::string text = "The 猫 file";
  const std::vector<std::int32_t> without = sample_vocabulary().encode(text);
  EXPECT_EQ(std::count(without.begin(), without.end(), sample_vocabulary().unk()), 1);

  VocabularyOptions options = small_options();
  options.size = 360;  // 256 of them are bytes
  options.byte_fallback = true;
  const Vocabulary vocabulary = load_bytes(train_vocabulary(options, {"en"}, sample_text()));
  const std::vector<std::int32_t> with = vocabulary.encode(text);
  EXPECT_EQ(std::count(with.begin(), with.end(), vocabulary.unk()), 0);
  EXPECT_EQ(vocabulary.decode(with), text);
}

TEST(Vocabulary, NormalizesAsItsModelSays) {
  EXPECT_EQ(sample_vocabulary().encode("  ﬁle\u3000ｆｉｌｅ "), sample_vocabulary().encode("file file"));

  VocabularyOptions options = small_options();
  options.normalization = "identity";
  std::vector<std::string> text = sample_text();
  text.insert(text.end(), 50, "好，你好！");
  const Vocabulary vocabulary = load_bytes(train_vocabulary(options, {"zh_CN"}, text));
  EXPECT_EQ(vocabulary.decode(vocabulary.encode("你好，好！")), "你好，好！");
}

TEST(Vocabulary, EncodesInSeveralThreadsAsInOne) {
  const std::vector<std::string> text = sample_text();
  std::vector<std::vector<std::int32_t>> expected;
  for (const std::string& sentence : text) expected.push_back(sample_vocabulary().encode(sentence));
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < text.size(); ++i) count += sample_vocabulary().encode(text[i]) != expected[i];
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::vector<int>{0, 0, 0, 0}));
}

TEST(Vocabulary, LearnsTheSameFromTheSameText) {
  EXPECT_EQ(train_vocabulary(small_options(), {"en", "de", "zh_CN"}, sample_text()), sample_bytes());
}

TEST(Vocabulary, SaysWhichSizesTheTextAllows) {
  VocabularyOptions options = small_options();
  options.size = 50000;
  EXPECT_THAT(error_of([&] { train_vocabulary(options, {"en"}, sample_text()); }), HasSubstr("the text gives at most"));
  options.size = 20;
  EXPECT_THAT(error_of([&] { train_vocabulary(options, {"en"}, sample_text()); }),
              HasSubstr("its characters and the special symbols alone are"));
  EXPECT_THAT(error_of([&] { train_vocabulary(options, {"e,n"}, sample_text()); }), HasSubstr("no language code"));
  EXPECT_THROW(train_vocabulary(options, {}, sample_text()), Error);
  EXPECT_THROW(train_vocabulary(options, {"en"}, {}), Error);
  options.model_type = "word";
  EXPECT_THAT(error_of([&] { train_vocabulary(options, {"en"}, sample_text()); }), HasSubstr("unigram or bpe"));
}

TEST(Vocabulary, RefusesFilesThatAreNoVocabulary) {
  EXPECT_THROW(load_bytes(""), Error);
  EXPECT_THROW(load_bytes("a text file\nwith lines\n"), Error);
  EXPECT_THROW(load_bytes(std::string(10000, '\xff')), Error);
  EXPECT_THROW(load_bytes(sample_bytes().substr(0, 100)), Error);
  EXPECT_THROW(Vocabulary::load("/nonexistent/vocab.model"), Error);
}

TEST(Vocabulary, SurvivesDamagedFiles) {
  // A damaged model may still load (one changed score harms nothing), but must then work without a crash.
  const RandomStream random(1, fnv1a("damage"));
  int refused = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    std::string bytes = sample_bytes();
    if (i % 2 == 0) bytes.resize(random.below(10 * i, bytes.size()));
    for (std::uint64_t change = 0; change < (i % 2) * 5; ++change) {
      // Most of the file is the table of normalisation rules; the pieces before it matter more.
      const std::uint64_t place = random.below(10 * i + change, std::min<std::size_t>(bytes.size(), 5000));
      bytes[place] = static_cast<char>(random.bits(10 * i + change));
    }
    refused += !error_of([&] {
                  const Vocabulary vocabulary = load_bytes(bytes);
                  vocabulary.decode(vocabulary.encode("The file <2de> was"));
                }).empty();
  }
  EXPECT_GT(refused, 50);
}

TEST(Vocabulary, RefusesRulesOfNormalisationThatLeadOutOfTheirTable) {
  // The table is most of a model. Any of its bytes may be damaged; what is not refused must work.
  const std::string& good = sample_bytes();
  EXPECT_TRUE(has_sound_normalization(good));
  const RandomStream random(2, fnv1a("rules"));
  int refused = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    std::string bytes = good;
    bytes[random.below(2 * i, bytes.size())] ^= static_cast<char>(1 << (i % 8));
    if (!has_sound_normalization(bytes)) {
      ++refused;
      EXPECT_NE(error_of([&] { load_bytes(bytes); }), "");
    }
  }
  EXPECT_GT(refused, 10);
  EXPECT_FALSE(has_sound_normalization(std::string_view("\x1a\x08\x12\x06\x00\x00\x00\x00xx", 10))) << "an empty trie";
  EXPECT_TRUE(has_sound_normalization("no model")) << "others refuse that";
}

TEST(Vocabulary, LearnsFromSegmentsOfAnyLengthThatIsRead) {
  std::string segment;
  while (segment.size() < 16'000) segment += "вода течёт под мост ";
  const Vocabulary vocabulary =
      load_bytes(train_vocabulary({.size = 22}, {"ru", "en"}, std::vector<std::string>(20, segment)));
  const std::vector<std::int32_t> ids = vocabulary.encode("вода");
  EXPECT_EQ(std::count(ids.begin(), ids.end(), vocabulary.unk()), 0);
}

TEST(Vocabulary, SaysThatTextHoldsNothingToLearn) {
  EXPECT_FALSE(can_be_learned_from("blocks \u2585"));
  EXPECT_FALSE(can_be_learned_from("\u3000"));
  EXPECT_TRUE(can_be_learned_from("words"));
  EXPECT_THAT(error_of([] {
                train_vocabulary(small_options(), {"en"}, {"\u2585", "a \u2585 b"});
              }),
              HasSubstr("none holds text to learn from"));
}

TEST(Vocabulary, RefusesACoverageThatSentencePieceDoesNotTake) {
  VocabularyOptions options = small_options();
  for (const double coverage : {0.9, 0.9799, 1.0001, -1.0}) {
    options.character_coverage = coverage;
    EXPECT_THAT(error_of([&] { train_vocabulary(options, {"en"}, sample_text()); }),
                HasSubstr("is not between 0.98 and 1"));
  }
  options.size = 90;
  for (const double coverage : {0.98, 1.0}) {
    options.character_coverage = coverage;
    EXPECT_EQ(error_of([&] { train_vocabulary(options, {"en"}, sample_text()); }), "") << coverage;
  }
}

TEST(Vocabulary, KnowsTextThatItMakesNothingOf) {
  const Vocabulary& vocabulary = sample_vocabulary();
  for (const char* text : {"", " ", "\u3000", "\u00A0\u200B", "\uFEFF", "\u2060", "\u00AD", "\x01\x02"}) {
    EXPECT_TRUE(vocabulary.is_empty(text)) << text;
  }
  for (const char* text : {"a", "\u3000.", "\u4E00", "\u0301", "\xFF"}) EXPECT_FALSE(vocabulary.is_empty(text)) << text;
}

TEST(Vocabulary, KnowsWhichCharactersItCanWrite) {
  for (const char32_t lost : {U'\u200C', U'\u2026', U'\uFF0C', U'\u00A0'}) {
    EXPECT_FALSE(sample_vocabulary().keeps(lost)) << static_cast<unsigned>(lost);
  }
  for (const char32_t kept : {U'a', U' ', U'ё', U'\u4E00', U'\u0301', U'\u05B0'}) {
    EXPECT_TRUE(sample_vocabulary().keeps(kept)) << static_cast<unsigned>(kept);
  }
  VocabularyOptions options = small_options();
  options.normalization = "identity";
  const Vocabulary identity = load_bytes(train_vocabulary(options, {"en"}, sample_text()));
  EXPECT_TRUE(identity.keeps(U'\u200C'));
  EXPECT_TRUE(identity.keeps(U'\u2026'));
}

TEST(Vocabulary, EncodesLongTextInLinearTime) {
  // Quadratic, these would take minutes, and CTest would end the test.
  const std::string zeros(1 << 20, '\0');
  std::string unknown;
  while (unknown.size() < 1 << 20) unknown += "\u4E00";
  for (const std::string& text : {zeros, unknown, std::string(1 << 20, 'x')}) {
    EXPECT_FALSE(sample_vocabulary().encode(text).empty());
  }
}

TEST(Vocabulary, EncodesLongTextAsItDoesItsWords) {
  std::string text = "The file";
  std::vector<std::int32_t> expected = sample_vocabulary().encode(text);
  const std::vector<std::int32_t> words = sample_vocabulary().encode("was not found");
  while (text.size() <= 2 * Vocabulary::kWholeTextBytes) {
    text += " was not found";
    expected.insert(expected.end(), words.begin(), words.end());
  }
  EXPECT_EQ(sample_vocabulary().encode(text), expected);
}

TEST(Vocabulary, KnowsLanguagesUnderTheirOtherNames) {
  EXPECT_EQ(sample_vocabulary().language_index("de_DE"), 1);
  EXPECT_EQ(sample_vocabulary().language_tag("zh-CN"), 8);
  EXPECT_EQ(sample_vocabulary().language_tag("zh_Hans"), 8);
  EXPECT_THAT(error_of([] { sample_vocabulary().language_index("fr"); }), HasSubstr("no language 'fr'"));
}

}  // namespace
}  // namespace polymoe
