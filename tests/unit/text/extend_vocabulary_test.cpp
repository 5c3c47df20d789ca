#include "polymoe/text/extend_vocabulary.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/text/new_pieces.h"
#include "polymoe/text/vocabulary.h"
#include "polymoe/text/vocabulary_layout.h"
#include "support/log_capture.h"
#include "support/temporary_folder.h"
#include "unit/data/test_data.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Ids = std::vector<std::int32_t>;

std::string vocabulary_of_type(const std::string& type) {
  std::vector<std::string> sentences;
  for (std::uint64_t i = 0; i < 500; ++i) sentences.push_back(testing::invented_sentence("en", i));
  VocabularyOptions options;
  options.size = 60;
  options.model_type = type;
  return train_vocabulary(options, testing::test_languages(), sentences);
}

/// As NLLB's: fairseq's four ids, the model's pieces, tags, <mask>, and a row that only rounds the size up.
std::string imported_vocabulary(VocabularyFamily family = VocabularyFamily::kNllb) {
  const std::string model = vocabulary_of_type("bpe");
  VocabularyLayout layout;
  layout.family = family;
  layout.pieces = {"<s>", "<pad>", "</s>", "<unk>"};
  const std::vector<std::string> pieces = pieces_of(model);
  layout.pieces.insert(layout.pieces.end(), pieces.begin() + 9, pieces.end());
  const auto size = static_cast<std::int32_t>(layout.pieces.size());
  layout.pieces.insert(layout.pieces.end(), {"eng_Latn", "deu_Latn", "<mask>", "<unused>"});
  layout.begin = 0;
  layout.pad = 1;
  layout.end = 2;
  layout.unknown = 3;
  layout.mask = size + 2;
  layout.special = {0, 1, 2, size, size + 1, size + 2, size + 3};
  layout.languages = {{"eng_Latn", size, true}, {"deu_Latn", size + 1, true}};
  layout.marks = {TextMarks::Source::kSourceTag, TextMarks::Target::kEndTag};
  return with_layout(model, layout);
}

ExtendedVocabulary extended(const std::string& bytes, const std::vector<NewLanguage>& languages,
                            const std::vector<std::string>& pieces) {
  return extend_vocabulary(bytes, "v.model", languages, pieces);
}

std::string extension_error(const std::string& bytes, const std::vector<NewLanguage>& languages,
                            const std::vector<std::string>& pieces) {
  try {
    extended(bytes, languages, pieces);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// The pieces that ids stand for, as an older vocabulary numbers them; -1 for new ones.
Ids before(const ExtendedVocabulary& vocabulary, const Ids& ids) {
  Ids old;
  for (const std::int32_t id : ids) {
    const Ids& from = vocabulary.from[static_cast<std::size_t>(id)];
    old.push_back(from.size() == 1 ? from[0] : -1);
  }
  return old;
}

class ExtendVocabulary : public ::testing::TestWithParam<std::string> {
 protected:
  static std::string bytes() {
    return GetParam() == "imported" ? imported_vocabulary() : vocabulary_of_type(GetParam());
  }
};

TEST_P(ExtendVocabulary, SplitsOldTextAsBefore) {
  const std::string old_bytes = bytes();
  const Vocabulary old = Vocabulary::parse(old_bytes, "v.model");
  const ExtendedVocabulary more = extended(old_bytes, {{"ast", {}}}, {"zyx", "\u2581xq", "\u732b"});
  const Vocabulary vocabulary = Vocabulary::parse(more.bytes, "v.model");
  ASSERT_EQ(static_cast<std::size_t>(vocabulary.size()), more.from.size());
  for (std::uint64_t i = 0; i < 100; ++i) {
    const std::string text = testing::invented_sentence("en", 1000 + i);
    const Ids ids = vocabulary.encode(text);
    EXPECT_EQ(before(more, ids), old.encode(text));
    EXPECT_EQ(vocabulary.decode(ids), text);
  }
}

TEST_P(ExtendVocabulary, UsesTheNewPiecesAndTellsWhatTheyWere) {
  const std::string old_bytes = bytes();
  const Vocabulary old = Vocabulary::parse(old_bytes, "v.model");
  const ExtendedVocabulary more = extended(old_bytes, {}, {"\u2581bakomirensa", "\u732b"});
  const Vocabulary vocabulary = Vocabulary::parse(more.bytes, "v.model");
  const Ids ids = vocabulary.encode("bakomirensa ko\u732b");
  EXPECT_EQ(vocabulary.decode(ids), "bakomirensa ko\u732b");
  EXPECT_THAT(ids, ::testing::Not(::testing::Contains(vocabulary.unk())));
  EXPECT_LT(ids.size(), old.encode("bakomirensa ko\u732b").size());
  EXPECT_EQ(more.from[static_cast<std::size_t>(ids.front())], old.encode("bakomirensa"));
  EXPECT_THAT(more.from[static_cast<std::size_t>(ids.back())], IsEmpty()) << "of an unknown character";
}

TEST_P(ExtendVocabulary, GivesNewLanguagesTagsLikeThoseOfOthers) {
  const std::string old_bytes = bytes();
  const Vocabulary old = Vocabulary::parse(old_bytes, "v.model");
  const ExtendedVocabulary more = extended(old_bytes, {{"ast", {"de"}}, {"gcf", {}}, {"ht", {"en", "de"}}}, {});
  const Vocabulary vocabulary = Vocabulary::parse(more.bytes, "v.model");
  const auto from = [&](const char* language) {
    const std::int32_t tag = vocabulary.language_tag(language);
    EXPECT_TRUE(vocabulary.is_special(tag));
    return more.from[static_cast<std::size_t>(tag)];
  };
  EXPECT_EQ(from("ast"), Ids{old.language_tag("de")});
  EXPECT_EQ(from("ht"), (Ids{old.language_tag("en"), old.language_tag("de")}));
  EXPECT_EQ(from("gcf").size(), old.languages().size());
  EXPECT_EQ(from("en"), Ids{old.language_tag("en")});
  EXPECT_EQ(vocabulary.languages().size(), old.languages().size() + 3);
}

TEST_P(ExtendVocabulary, RefusesWhatIsThereOrCannotBe) {
  const std::string old = bytes();
  EXPECT_THAT(extension_error(old, {{"en", {}}}, {}), HasSubstr("the vocabulary has the language 'en' already"));
  EXPECT_THAT(extension_error(old, {{"ast", {}}, {"ast", {}}}, {}), HasSubstr("the language 'ast' is given twice"));
  EXPECT_THAT(extension_error(old, {{"a b", {}}}, {}), HasSubstr("'a b' is no language code"));
  EXPECT_THAT(extension_error(old, {{"ast", {"xx"}}}, {}), HasSubstr("no such language"));
  EXPECT_THAT(extension_error(old, {}, {"ba"}), HasSubstr("nothing to add"));
  EXPECT_THAT(extension_error("nonsense", {}, {"zyx"}), HasSubstr("v.model: "));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ExtendVocabulary, ::testing::Values("unigram", "bpe", "imported"));

TEST(ExtendVocabularyIds, StandWhereTheFamilyOfAnImportedVocabularyHasThem) {
  const std::string old = imported_vocabulary();
  const VocabularyLayout was = *read_layout(old, "v.model");
  const ExtendedVocabulary more = extended(old, {{"ast_Latn", {"eng_Latn"}}}, {"zyx"});
  EXPECT_THAT(more.pieces, ElementsAre("z", "y", "zy", "x", "zyx")) << "BPE joins two pieces at a time";
  const VocabularyLayout layout = *read_layout(more.bytes, "v.model");
  const std::size_t tags = static_cast<std::size_t>(was.languages[0].tag);
  std::vector<std::string> expected(was.pieces.begin(), was.pieces.begin() + static_cast<std::ptrdiff_t>(tags));
  expected.insert(expected.end(),
                  {"z", "y", "zy", "x", "zyx", "eng_Latn", "deu_Latn", "ast_Latn", "<mask>", "<unused>"});
  EXPECT_EQ(layout.pieces, expected);
  // transformers finds a piece behind the first at its place in the model, and one for <pad>.
  const std::vector<std::string> in_model = pieces_of(without_layout(more.bytes));
  EXPECT_EQ(in_model.back(), "zyx");
  EXPECT_EQ(layout.mask, was.mask + 6);
  EXPECT_EQ(layout.languages[2].tag, was.languages[1].tag + 6);
}

TEST(ExtendVocabularyIds, AreAppendedToMariansWhichHaveNoTagsToAdd) {
  const std::string old = imported_vocabulary(VocabularyFamily::kMarian);
  const ExtendedVocabulary more = extended(old, {{"ast", {}}}, {"zy"});
  const std::vector<std::string> pieces = read_layout(more.bytes, "v.model")->pieces;
  EXPECT_EQ(pieces[more.from.size() - 2], "zy");
  EXPECT_EQ(pieces.back(), ">>ast<<");
  VocabularyLayout layout = *read_layout(old, "v.model");
  std::swap(layout.pieces[1], layout.pieces.back());
  layout.pad = static_cast<std::int32_t>(layout.pieces.size()) - 1;
  const ExtendedVocabulary before_pad = extended(with_layout(without_layout(old), layout), {}, {"zy"});
  EXPECT_EQ(read_layout(before_pad.bytes, "v.model")->pieces.back(), "<pad>");
  EXPECT_EQ(read_layout(before_pad.bytes, "v.model")->pad, static_cast<std::int32_t>(before_pad.from.size()) - 1);
  layout.marks.source = TextMarks::Source::kPlain;
  EXPECT_THAT(extension_error(with_layout(without_layout(old), layout), {{"ast", {}}}, {}), HasSubstr("reads no tags"));
}

TEST(ExtendVocabularyPieces, ThatCannotBeUsedOrAreThereAreLeftOutAndTold) {
  const testing::LogCapture log;
  const ExtendedVocabulary more = extended(vocabulary_of_type("unigram"), {}, {"\uFB01n", "ba", "zyx"});
  EXPECT_THAT(more.pieces, ElementsAre("zyx"));
  EXPECT_THAT(log.warnings(), ::testing::Contains(HasSubstr("no text holds it after the vocabulary's normalisation")));
  EXPECT_THAT(log.warnings(), ::testing::Contains(HasSubstr("the vocabulary has 'ba' already")));
}

TEST(ExtendVocabularyPieces, OfAVocabularyThatSpellsInBytesAreJoinedFromCharacters) {
  std::vector<std::string> sentences;
  for (std::uint64_t i = 0; i < 500; ++i) sentences.push_back(testing::invented_sentence("en", i));
  VocabularyOptions options;
  options.size = 330;
  options.model_type = "bpe";
  options.byte_fallback = true;
  const std::string old = train_vocabulary(options, {"de", "en"}, sentences);
  const ExtendedVocabulary more = extended(old, {}, {"\u732b\u72ac"});
  EXPECT_THAT(more.pieces, ElementsAre("\u732b", "\u72ac", "\u732b\u72ac"));
  const Vocabulary vocabulary = Vocabulary::parse(more.bytes, "v.model");
  EXPECT_EQ(vocabulary.decode(vocabulary.encode("ba \u732b\u72ac")), "ba \u732b\u72ac");
  EXPECT_EQ(more.from[static_cast<std::size_t>(vocabulary.encode("\u732b\u72ac").back())].size(), 6u) << "its bytes";
}

TEST(ExtendVocabularyPieces, ThatAreNotThereAtAllAreNothingToAdd) {
  EXPECT_THAT(extension_error(vocabulary_of_type("unigram"), {}, {"\uFB01n"}), HasSubstr("nothing to add"));
}

TEST(NewLanguageTest, IsReadWithTheLanguagesItIsLike) {
  EXPECT_THAT(NewLanguage::parse("ast").like, IsEmpty());
  const NewLanguage language = NewLanguage::parse("gcf=fr+ht");
  EXPECT_EQ(language.code, "gcf");
  EXPECT_THAT(language.like, ElementsAre("fr", "ht"));
  for (const char* text : {"", "=fr", "gcf=", "gcf=fr+", "gcf=+fr"})
    EXPECT_THROW(NewLanguage::parse(text), Error) << text;
}

TEST(ReadPieces, TakesListsAndModels) {
  const testing::TemporaryFolder folder;
  EXPECT_THAT(read_pieces(folder.write("list", "\u2581word\r\n\ning\n")), ElementsAre("\u2581word", "ing"));
  const std::vector<std::string> pieces = read_pieces(folder.write("v.model", vocabulary_of_type("unigram")));
  EXPECT_THAT(pieces, ::testing::Contains("ba"));
  EXPECT_THAT(pieces, ::testing::Each(::testing::Not(::testing::StartsWith("<"))));
}

TEST(ReadPieces, RefusesWhatCanBeNone) {
  const testing::TemporaryFolder folder;
  const auto error = [&](const std::string& text) {
    try {
      read_pieces(folder.write("list", text));
    } catch (const Error& problem) {
      return std::string(problem.what());
    }
    return std::string();
  };
  EXPECT_THAT(error(""), HasSubstr("list: holds no piece"));
  EXPECT_THAT(error("\n\n"), HasSubstr("list: holds no piece"));
  EXPECT_THAT(error("a\nb\na\n"), HasSubstr("list:3: 'a' is given twice"));
  EXPECT_THAT(error("a\n\u2581\n"), HasSubstr("list:2: "));
  EXPECT_THAT(error("a b\n"), HasSubstr("holds a space"));
  EXPECT_THAT(error("a\tb\n"), HasSubstr("holds a space"));
  EXPECT_THAT(error("a\u2581\n"), HasSubstr("in front only"));
  EXPECT_THAT(error("\xFF\n"), HasSubstr("not UTF-8"));
  EXPECT_THAT(error(std::string("\x0A\x00zz", 4)), HasSubstr("not a SentencePiece model"));
}

}  // namespace
}  // namespace polymoe
