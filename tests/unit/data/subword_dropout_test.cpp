#include "polymoe/data/subword_dropout.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "unit/data/test_data.h"

namespace polymoe {
namespace {

class SubwordDropoutTest : public ::testing::Test {
 protected:
  std::vector<std::int32_t> dropped(const std::vector<std::int32_t>& ids, double rate, std::uint64_t number = 0,
                                    std::int64_t most = 1000) const {
    std::vector<std::int32_t> result = ids;
    SubwordDropout(vocabulary_, rate, most).apply(result, RandomStream(1, 2, number));
    return result;
  }

  const Vocabulary vocabulary_ = Vocabulary::parse(testing::test_vocabulary_bytes(), "test.model");
};

TEST_F(SubwordDropoutTest, SpellsTheSameText) {
  for (std::uint64_t i = 0; i < 50; ++i) {
    const std::string text = testing::invented_sentence("en", i);
    const std::vector<std::int32_t> ids = vocabulary_.encode(text);
    for (const double rate : {0.1, 0.5, 1.0}) EXPECT_EQ(vocabulary_.decode(dropped(ids, rate, i)), text) << rate;
    EXPECT_EQ(dropped(ids, 0.0, i), ids);
  }
}

TEST_F(SubwordDropoutTest, SplitsAtTheRateToPiecesThatCannotBeSplit) {
  // Of a token that splits into two that cannot be split, the chance is the rate itself.
  std::int32_t token = -1;
  for (std::int32_t id = 0; id < vocabulary_.size() && token < 0; ++id) {
    if (vocabulary_.text_piece(id).size() == 2) token = id;
  }
  ASSERT_GE(token, 0) << "no piece of two letters";
  int splits = 0;
  constexpr int kTries = 4000;
  for (int i = 0; i < kTries; ++i) splits += dropped({token}, 0.25, static_cast<std::uint64_t>(i)).size() == 2;
  EXPECT_NEAR(splits, kTries * 0.25, 4 * 27.4);  // four standard deviations

  // At rate 1 nothing is left that is the sum of two pieces.
  const std::vector<std::int32_t> whole = vocabulary_.encode(testing::invented_sentence("en", 3));
  const std::vector<std::int32_t> parts = dropped(whole, 1.0);
  EXPECT_GT(parts.size(), whole.size());
  EXPECT_EQ(dropped(parts, 1.0), parts);
}

TEST_F(SubwordDropoutTest, SplitsAPieceInEveryWay) {
  std::string_view longest;
  std::int32_t token = 0;
  for (std::int32_t id = 0; id < vocabulary_.size(); ++id) {
    if (const auto piece = vocabulary_.text_piece(id); piece.size() > longest.size()) longest = piece, token = id;
  }
  std::map<std::vector<std::int32_t>, int> ways;
  for (std::uint64_t i = 0; i < 2000; ++i) ++ways[dropped({token}, 0.5, i)];
  EXPECT_GT(ways.size(), 4u);
  EXPECT_NEAR((ways[{token}]), 1000, 90);
  for (const auto& [ids, count] : ways) {
    std::string spelt;
    for (const std::int32_t id : ids) spelt += vocabulary_.text_piece(id);
    EXPECT_EQ(spelt, longest);
  }
}

TEST_F(SubwordDropoutTest, LeavesMarksAndTagsAndUnknownCharacters) {
  std::vector<std::int32_t> ids;
  for (std::int32_t id = 0; id < vocabulary_.size(); ++id) {
    if (vocabulary_.text_piece(id).empty()) ids.push_back(id);
  }
  ASSERT_EQ(ids.size(), 9u);  // four marks, <mask>, <denoise>, three languages
  EXPECT_EQ(dropped(ids, 1.0), ids);
}

TEST_F(SubwordDropoutTest, NeverGrowsOverTheLimit) {
  const std::vector<std::int32_t> ids = vocabulary_.encode(testing::invented_sentence("en", 5));
  const auto length = static_cast<std::int64_t>(ids.size());
  ASSERT_GT(dropped(ids, 1.0).size(), ids.size() + 2);
  for (const std::int64_t most : {length, length + 2}) {
    EXPECT_EQ(static_cast<std::int64_t>(dropped(ids, 1.0, 0, most).size()), most);
  }
  EXPECT_EQ(dropped(ids, 1.0, 0, length - 1), ids) << "a text over the limit stays as it is";
}

TEST_F(SubwordDropoutTest, LeavesBytesWhole) {
  VocabularyOptions options;
  options.size = 400;
  options.byte_fallback = true;
  std::vector<std::string> sentences;
  for (std::uint64_t i = 0; i < 500; ++i) sentences.push_back(testing::invented_sentence("en", i) + " <0x");
  const Vocabulary bytes = Vocabulary::parse(train_vocabulary(options, {"en"}, sentences), "bytes.model");
  std::vector<std::int32_t> ids = bytes.encode("ж");
  const std::vector<std::int32_t> before = ids;
  ASSERT_GE(before.size(), 2u);
  SubwordDropout(bytes, 1.0, 100).apply(ids, RandomStream(1, 2));
  EXPECT_EQ(ids, before);
}

}  // namespace
}  // namespace polymoe
