#include "polymoe/decode/alignment.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/decode/translator.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/table_model.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using testing::Ids;
using testing::TableModel;

TEST(Alignment, TokensBelongToWordsThatSpacesDivide) {
  EXPECT_THAT(words_of_tokens({U"Op", U"en", U" the", U" ", U"file", U"."}), ElementsAre(0u, 0u, 1u, 2u, 2u, 2u));
  EXPECT_THAT(words_of_tokens({U" ", U"a", U"", U" "}), ElementsAre(0u, 0u, 0u, 0u));
  EXPECT_TRUE(words_of_tokens({}).empty());
}

TEST(Alignment, OfWordsIsTheMeanOfTokensToTheSumOfTokens) {
  // A tag, two tokens of a word, another word, the end mark.
  const AttentionRows attention{{0.1f, 0.2f, 0.3f, 0.4f, 0.0f}, {0.0f, 0.0f, 0.1f, 0.8f, 0.1f}};
  const WordAlignment words = align_words(attention, 1, {U"Op", U"en", U" it"}, {U"Off", U"en"});
  ASSERT_EQ(words.size(), 1u);
  ASSERT_EQ(words[0].size(), 2u);
  EXPECT_FLOAT_EQ(words[0][0], 0.3f);
  EXPECT_FLOAT_EQ(words[0][1], 0.6f);
}

TEST(Alignment, CopiesComeFromUnknownTokensWhereThereAreAny) {
  const AttentionRows attention{{0.1f, 0.5f, 0.4f}};
  const TokenTexts texts{U"a", U"b", U"c"};
  EXPECT_THAT(copies_of_unknown(attention, 0, {7, 8, 3}, texts, {3}, 3), ElementsAre("c"));
  EXPECT_THAT(copies_of_unknown(attention, 0, {7, 8, 9}, texts, {3}, 3), ElementsAre("b"));
}

const std::string& aligned_vocabulary() {
  static const std::string bytes = [] {
    std::vector<std::string> text;
    for (int i = 0; i < 200; ++i) {
      text.push_back("Open the file in the folder number " + std::to_string(i) + ".");
      text.push_back("Die Datei im Ordner mit der Nummer " + std::to_string(i) + " ist offen.");
    }
    VocabularyOptions options;
    options.size = 120;
    return train_vocabulary(options, {"en", "de"}, text);
  }();
  return bytes;
}

/// Writes the source again and attends to what it copies.
TableModel attending_model(std::int64_t max_positions = 100) {
  const Vocabulary words = Vocabulary::parse(aligned_vocabulary(), "test");
  const std::int32_t end = words.eos();
  TableModel model(
      words.size(),
      [end](const Ids& source, const Ids& read) -> std::map<std::int32_t, float> {
        const std::size_t at = read.size();  // behind the tag
        return {{at + 1 < source.size() ? source[at] : end, -0.1f}};
      },
      max_positions);
  model.set_attention([](const Ids& source, const Ids& read) {
    std::vector<float> weights(source.size(), 0.1f / static_cast<float>(source.size()));
    weights[std::min(read.size(), source.size() - 1)] += 0.9f;
    return weights;
  });
  return model;
}

Translation translated(TableModel model, const std::string& line, const TextDemands& demands,
                       const DecodeOptions& options = {}) {
  const Translator translator(std::make_shared<TableModel>(std::move(model)),
                              Vocabulary::parse(aligned_vocabulary(), "test"), options);
  const std::vector<std::string> lines{line};
  return translator.translate(lines, "en", "de", {}, "translation", {}, demands)[0][0];
}

std::vector<std::size_t> best_words(const WordAlignment& alignment) {
  std::vector<std::size_t> best;
  for (const auto& row : alignment) {
    best.push_back(static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin()));
  }
  return best;
}

TEST(Alignment, IsThatOfTheWordsOfALine) {
  const Translation found = translated(attending_model(), "Open the file number 12.", {.alignments = true});
  EXPECT_EQ(found.text, "Open the file number 12.");
  EXPECT_THAT(best_words(found.alignment), ElementsAre(0u, 1u, 2u, 3u, 4u));
  for (const auto& row : found.alignment) EXPECT_EQ(row.size(), 5u);
  EXPECT_TRUE(translated(attending_model(), "Open the file.", {}).alignment.empty());
}

TEST(Alignment, OfPartsIsThatOfTheWhole) {
  DecodeOptions options;
  options.split_sentences = SentenceSplit::kAlways;
  const Translation found =
      translated(attending_model(), "Open the file. Open the folder.", {.alignments = true}, options);
  EXPECT_EQ(found.text, "Open the file. Open the folder.");
  EXPECT_THAT(best_words(found.alignment), ElementsAre(0u, 1u, 2u, 3u, 4u, 5u));
  EXPECT_EQ(found.alignment[4][1], 0.0f);  // of another part
}

TEST(Alignment, UnknownTextIsCopiedWhereItIsAskedFor) {
  const std::string line = "Open the file \u4E2D\u6587, the file \u0416.";
  const TextDemands demands{.word_scores = true, .alignments = true, .replace_unknowns = true};
  const Translation found = translated(attending_model(), line, demands);
  EXPECT_EQ(found.text, line);
  EXPECT_EQ(found.copied, 2u);
  EXPECT_THAT(best_words(found.alignment), ElementsAre(0u, 1u, 2u, 3u, 4u, 5u, 6u));
  EXPECT_EQ(found.word_scores.size(), 8u);  // seven words and the end
  const Translation without = translated(attending_model(), line, {});
  EXPECT_EQ(without.text.find("\u4E2D"), std::string::npos);
  EXPECT_EQ(without.copied, 0u);
}

TEST(Alignment, TextIsToldUpToWhatIsCopied) {
  std::string told;
  TextDemands demands{.replace_unknowns = true};
  demands.partial = [&](const PartialText& partial) {
    EXPECT_TRUE(partial.text.starts_with(told)) << told;
    told = partial.text;
  };
  DecodeOptions options;
  options.beam_size = 1;
  const std::string line = "Open the file \u0416 in the folder.";
  EXPECT_EQ(translated(attending_model(), line, demands, options).text, line);
  EXPECT_EQ(told, line);
}

TEST(Alignment, NeedsAModelWithAttention) {
  TableModel model = attending_model();
  model.set_attention({});
  EXPECT_THROW(translated(model, "Open", {.alignments = true}), Error);
  EXPECT_THROW(translated(model, "Open", {.replace_unknowns = true}), Error);
}

}  // namespace
}  // namespace polymoe
