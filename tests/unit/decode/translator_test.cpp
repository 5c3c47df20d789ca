#include "polymoe/decode/translator.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/placeholders.h"
#include "support/log_capture.h"
#include "support/table_model.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Ids;
using testing::TableModel;
using ::testing::UnorderedElementsAre;

const std::string& vocabulary_bytes() {
  static const std::string bytes = [] {
    std::vector<std::string> text;
    for (int i = 0; i < 200; ++i) {
      text.push_back("Open the file %s in the folder number " + std::to_string(i) + ".");
      text.push_back("Die Datei %s im Ordner mit der Nummer " + std::to_string(i) +
                     " <b a=\"d\">ist</b> offen, {name}.");
    }
    VocabularyOptions options;
    options.size = 130;
    options.byte_fallback = false;
    return train_vocabulary(options, {"en", "de"}, text);
  }();
  return bytes;
}

Vocabulary vocabulary() { return Vocabulary::parse(vocabulary_bytes(), "test"); }

/// What stands behind the source's tag, without its end mark.
Ids text_of(const Ids& source) { return {source.begin() + 1, source.end() - 1}; }

/// Writes the source again, sure of itself.
TableModel::Next copying() {
  return [end = vocabulary().eos()](const Ids& source, const Ids& read) -> std::map<std::int32_t, float> {
    const Ids text = text_of(source);
    const std::size_t at = read.size() - 1;
    return {{at < text.size() ? text[at] : end, -0.1f}};
  };
}

TableModel copying_model(std::int64_t max_positions = 100) { return {vocabulary().size(), copying(), max_positions}; }

class TranslatorTest : public ::testing::Test {
 protected:
  std::vector<std::vector<Translation>> translate(TableModel model, const std::vector<std::string>& lines,
                                                  const TextDemands& demands = {}) {
    Translator translator(std::make_shared<TableModel>(std::move(model)), vocabulary(), options_, trained_length_);
    return translator.translate(
        lines, "en", "de", {}, "translation", [&](const LossySource& lost) { lost_.push_back(lost); }, demands);
  }

  static std::vector<std::string> best(const std::vector<std::vector<Translation>>& results) {
    std::vector<std::string> texts;
    for (const auto& list : results) texts.push_back(list.front().text);
    return texts;
  }

  DecodeOptions options_;
  std::int64_t trained_length_ = 0;
  std::vector<LossySource> lost_;
};

TEST_F(TranslatorTest, GivesALineForALineAndLeavesBlankOnes) {
  EXPECT_THAT(best(translate(copying_model(), {"Open the file.", "", " \t ", "in the folder"})),
              ElementsAre("Open the file.", "", " \t ", "in the folder"));
}

TEST_F(TranslatorTest, TranslatesInPartsWhatIsTooLong) {
  const std::string text =
      "Open the file. Open the folder. Open the file in the folder number 12, in the file number 3 of the folder.";
  const std::size_t tokens = vocabulary().encode(text).size();
  const auto longest = static_cast<std::int64_t>(tokens / 3);
  EXPECT_THAT(best(translate(copying_model(longest), {text, "Open it"})), ElementsAre(text, "Open it"));
  EXPECT_TRUE(lost_.empty());
  options_.split_sentences = SentenceSplit::kNever;
  EXPECT_NE(best(translate(copying_model(longest), {text}))[0], text);
  ASSERT_EQ(lost_.size(), 1u);
  EXPECT_EQ(lost_[0].tokens, tokens);
}

TEST_F(TranslatorTest, TranslatesInPartsWhatIsLongerThanItsTraining) {
  const std::string text = "open the file . open the folder <b a=\"d . d\"> . open the file";
  const std::string longest = "open the folder <b a=\"d . d\"> .";
  const std::size_t tokens = vocabulary().encode(longest).size();
  trained_length_ = static_cast<std::int64_t>(tokens) + 2;  // with tag and end mark
  std::set<std::string> read;
  const auto reads = [&read, next = copying()](const Ids& source, const Ids& ids) {
    read.insert(vocabulary().decode(text_of(source)));
    return next(source, ids);
  };
  EXPECT_EQ(best(translate({vocabulary().size(), reads}, {text}))[0], text);
  EXPECT_THAT(read, UnorderedElementsAre("open the file", "open the file .", longest));
  EXPECT_TRUE(lost_.empty());
  options_.split_sentences = SentenceSplit::kNever;
  EXPECT_EQ(best(translate(copying_model(), {text}))[0], text);
  ASSERT_EQ(lost_.size(), 1u);
  EXPECT_EQ(lost_[0].read, lost_[0].tokens);
  EXPECT_EQ(lost_[0].trained, tokens);
}

TEST_F(TranslatorTest, ScoresOfPartsAreThatOfTheWhole) {
  options_.split_sentences = SentenceSplit::kAlways;
  options_.length_penalty = 0.5;
  const auto result = translate(copying_model(), {"Open the file. Open the folder."})[0][0];
  EXPECT_EQ(result.text, "Open the file. Open the folder.");
  const auto tokens = static_cast<double>(vocabulary().encode("Open the file.").size() +
                                          vocabulary().encode("Open the folder.").size() + 2);
  EXPECT_EQ(static_cast<double>(result.tokens), tokens);
  EXPECT_NEAR(result.score, -0.1 * tokens / std::sqrt(tokens), 1e-5);
}

/// Writes the source again but for the pieces of placeholders, which it drops or doubles.
TableModel careless_model(bool doubles) {
  const Vocabulary words = vocabulary();
  const std::int32_t end = words.eos();
  const SignPieces pieces = find_sign_pieces(words);
  std::vector<std::int64_t> signs;
  for (const auto& [sign, ids] : pieces.by_sign) signs.insert(signs.end(), ids.begin(), ids.end());
  return {words.size(), [=](const Ids& source, const Ids& read) -> std::map<std::int32_t, float> {
            Ids text;
            for (const std::int32_t id : text_of(source)) {
              const bool is_sign = std::count(signs.begin(), signs.end(), id) > 0;
              text.insert(text.end(), is_sign ? (doubles ? 2 : 0) : 1, id);
            }
            const std::size_t at = read.size() - 1;
            return {{at < text.size() ? text[at] : end, -0.1f}};
          }};
}

TEST_F(TranslatorTest, HoldsPlaceholdersOnceWhereItIsAskedTo) {
  const std::vector<std::string> lines{"Open the file %s in %s.", "the <b>file</b> {name} in {0}",
                                       "Open https://a.example/x?y=1 in the folder", "100% of the file %s"};
  for (const bool doubles : {false, true}) {
    options_.protect = Protection::kNever;
    EXPECT_FALSE(keeps_placeholders(lines[0], best(translate(careless_model(doubles), lines))[0]));
    options_.protect = Protection::kAlways;
    for (const std::int64_t beam_size : {1, 4}) {
      options_.beam_size = beam_size;
      const auto results = translate(careless_model(doubles), lines);
      for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
        const std::string& text = results[i][0].text;
        EXPECT_TRUE(keeps_placeholders(lines[i], text)) << text;
        EXPECT_EQ(results[i][0].keeps_placeholders, keeps_placeholders(lines[i], text));
      }
    }
  }
}

TEST_F(TranslatorTest, LeavesWhatHoldsPlaceholdersByItself) {
  options_.protect = Protection::kAlways;
  const std::vector<std::string> line{"Open the file %s in <b>the</b> folder."};
  const auto result = translate(copying_model(), line)[0][0];
  EXPECT_EQ(result.text, line[0]);
  EXPECT_EQ(result.tokens, vocabulary().encode(line[0]).size() + 1);
  EXPECT_NEAR(result.log_probability, -0.1 * static_cast<double>(result.tokens), 1e-4);  // float32 sums
}

TEST_F(TranslatorTest, ProtectsInDocumentsAlone) {
  const std::vector<std::string> line{"Open the file %s."};
  EXPECT_THAT(best(translate(careless_model(false), line))[0], ::testing::Not(HasSubstr("%s")));
  EXPECT_THAT(best(translate(careless_model(false), line, {.of_document = true}))[0], HasSubstr("%s"));
}

TEST_F(TranslatorTest, WritesTermsOfAGlossary) {
  const testing::TemporaryFolder folder;
  write_file(folder / "terms.tsv", "file\tDatei\tOrdner\nnumber\t\u4E2D\n");
  const testing::LogCapture log;
  const Glossary glossary = Glossary::load(folder / "terms.tsv");
  for (const std::int64_t beam_size : {1, 4}) {
    options_.beam_size = beam_size;
    const auto results =
        translate(copying_model(), {"Open the file.", "Open the file number 1"}, {.glossary = &glossary});
    for (const auto& list : results) {
      const std::string& text = list[0].text;
      EXPECT_TRUE(text.find("Datei") != std::string::npos || text.find("Ordner") != std::string::npos) << text;
    }
    EXPECT_EQ(results[0][0].unmet_terms, 0u);
    EXPECT_EQ(results[1][0].unmet_terms, 1u);  // that of "number", which cannot be written
  }
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_THAT(log.warnings()[0], HasSubstr("cannot write the term '\u4E2D'"));
}

TEST_F(TranslatorTest, BeginsWithThePrefix) {
  const std::vector<std::string> prefixes{"Die Datei", ""};
  const auto texts = best(translate(copying_model(), {"Open the file.", "Open it."}, {.prefixes = prefixes}));
  EXPECT_THAT(texts[0], ::testing::StartsWith("Die Datei"));
  EXPECT_EQ(texts[1], "Open it.");
}

TEST_F(TranslatorTest, KeepsAPrefixAsItWasGiven) {
  // With characters that the vocabulary does not know or writes otherwise, and with parts of the line's own
  // placeholders.
  options_.protect = Protection::kAlways;
  const std::vector<std::string> lines{"Open the file.", "Open <b>%s</b> file.", "Open it."};
  const std::vector<std::string> prefixes{" \u2603\u4E2Di  Die\tDatei\u2603 ", "</b> 100 % <", "\uFB01le"};
  const std::vector<std::string> begins{"\u2603\u4E2Di  Die Datei\u2603", "</b> 100 % <", "\uFB01le"};
  const auto results = translate(copying_model(), lines, {.prefixes = prefixes, .word_scores = true});
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Translation& found = results[i][0];
    EXPECT_THAT(found.text, ::testing::StartsWith(begins[i]));
    EXPECT_EQ(found.word_scores.size(), count_words(found.text) + (found.cut_off ? 0 : 1)) << found.text;
  }
}

TEST_F(TranslatorTest, PlaceholdersAreNoneOfThePrefixButWhereItsTextHoldsThem) {
  options_.protect = Protection::kAlways;
  const std::vector<std::string> lines{"Open %s.", "Open {name} file.", "Open <i>the</i> file.", "Open %s."};
  const std::vector<std::string> prefixes{"Die \u2603", "Die {x}", "Die \u4E2D", "Die %s"};
  const auto results = translate(copying_model(), lines, {.prefixes = prefixes, .word_scores = true});
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Translation& found = results[i][0];
    EXPECT_THAT(found.text, ::testing::StartsWith(prefixes[i]));
    EXPECT_THAT(found.text, ::testing::Not(HasSubstr("\u2047")));
    EXPECT_EQ(found.keeps_placeholders, i != 1) << found.text;  // whose prefix has one more
    EXPECT_EQ(found.word_scores.size(), count_words(found.text) + (found.cut_off ? 0 : 1)) << found.text;
  }
}

TEST_F(TranslatorTest, WordScoresBelongToTheWordsOfTextThatTheVocabularyDoesNotKnow) {
  options_.protect = Protection::kAlways;
  options_.split_sentences = SentenceSplit::kAlways;
  const std::vector<std::string> lines{"Open %s {name} <b a=\"d\">it</b>.",
                                       "Open it. Open %s. Open https://a.org/b?c=d now."};
  for (const auto& list : translate(copying_model(), lines, {.word_scores = true})) {
    EXPECT_TRUE(list[0].keeps_placeholders);
    EXPECT_EQ(list[0].word_scores.size(), count_words(list[0].text) + 1) << list[0].text;
    double sum = 0.0;
    for (const double score : list[0].word_scores) sum += score;
    EXPECT_NEAR(sum, list[0].log_probability, 1e-3);
  }
  Translator translator(std::make_shared<TableModel>(copying_model()), vocabulary(), options_);
  const std::vector<std::string> one{"Open"}, text{"Die \u4E2D\u6587 \u2603x."};
  EXPECT_EQ(translator.score(one, text, "en", "de")[0].word_scores.size(), 4u);
}

TEST_F(TranslatorTest, RefusesAModelWithRoomForMarksAlone) {
  const std::vector<std::string> lines{"Open"};
  EXPECT_THROW(translate(copying_model(2), lines), Error);
  const Translator translator(std::make_shared<TableModel>(copying_model(2)), vocabulary(), options_);
  EXPECT_THROW(translator.score(lines, lines, "en", "de"), Error);
}

TEST_F(TranslatorTest, RefusesAPrefixLongerThanTheModelWrites) {
  const std::vector<std::string> lines{"Open.", "Open."}, prefixes{"", "Die Datei im Ordner mit der Nummer 1"};
  try {
    translate(copying_model(10), lines, {.prefixes = prefixes, .first_number = 4});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the prefix of line 6 has "));
  }
}

TEST_F(TranslatorTest, WordScoresBelongToTheWords) {
  const auto result = translate(copying_model(), {"Open the file number 12."}, {.word_scores = true})[0][0];
  ASSERT_EQ(result.word_scores.size(), 6u);  // five words and the end
  const Vocabulary words = vocabulary();
  EXPECT_NEAR(result.word_scores[0], -0.1 * static_cast<double>(words.encode("Open").size()), 1e-5);
  EXPECT_NEAR(result.word_scores[5], -0.1, 1e-5);
  double sum = 0.0;
  for (const double score : result.word_scores) sum += score;
  EXPECT_NEAR(sum, result.log_probability, 1e-4);  // float32 sums
}

TEST_F(TranslatorTest, ForcedDecodingScoresItsOwnTranslationAlike) {
  for (const double length_penalty : {0.0, 0.7, 1.0}) {
    options_.length_penalty = length_penalty;
    const std::vector<std::string> lines{"Open the file number 12.", "in the folder", ""};
    const auto results = translate(copying_model(), lines);
    Translator translator(std::make_shared<TableModel>(copying_model()), vocabulary(), options_);
    const auto scores = translator.score(lines, best(results), "en", "de");
    ASSERT_EQ(scores.size(), 3u);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_NEAR(scores[i].score, results[i][0].score, 1e-4);
      EXPECT_NEAR(scores[i].log_probability, results[i][0].log_probability, 1e-4);
      EXPECT_EQ(scores[i].tokens, results[i][0].tokens);
    }
  }
}

TEST_F(TranslatorTest, ForcedDecodingNamesWhatIsTooLong) {
  Translator translator(std::make_shared<TableModel>(copying_model(10)), vocabulary(), options_);
  const std::vector<std::string> lines{"Open", "Open the file number 12 in the folder number 3."};
  try {
    translator.score(lines, lines, "en", "de");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the lines:2: "));
  }
}

}  // namespace
}  // namespace polymoe
