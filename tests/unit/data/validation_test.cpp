#include "polymoe/data/validation.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "support/log_capture.h"
#include "unit/data/test_data.h"

namespace polymoe {
namespace {

using testing::invented_rows;
using testing::TemporaryFolder;

class ValidationTest : public ::testing::Test {
 protected:
  ValidationTest()
      : data_(testing::prepare_test_data(
            folder_, {testing::write_corpus(folder_, "news", "valid", {"de", "en", "fr"}, rows_),
                      testing::write_corpus(folder_, "news", "train", {"de", "en"}, {{"ba  ko", "mi ren"}})})) {}

  TemporaryFolder folder_;
  const std::vector<std::vector<std::string>> rows_ = invented_rows(90);
  Dataset data_;
};

TEST_F(ValidationTest, PairsEachRowWithItsTexts) {
  const ValidationSet set = make_validation_set(data_, {"en", "fr"}, "valid", 0, 100, 300);
  EXPECT_EQ(set.sources.size(), 60u);  // every third line lacks French
  EXPECT_EQ(set.references.size(), 60u);
  const Vocabulary& vocabulary = data_.vocabulary();
  std::size_t row = 0;
  for (const MicroBatch& batch : set.batches) {
    EXPECT_LE(batch.rows * (batch.source_length + batch.target_length), 300);
    for (std::int64_t i = 0; i < batch.rows; ++i, ++row) {
      const auto source = batch.source.begin() + i * batch.source_length;
      const auto target = batch.target_output.begin() + i * batch.target_length;
      EXPECT_EQ(*source, vocabulary.language_tag("fr"));
      EXPECT_EQ(vocabulary.decode({source, source + batch.source_length}), set.sources.at(row));
      EXPECT_EQ(vocabulary.decode({target, target + batch.target_length}), set.references.at(row));
    }
  }
  EXPECT_EQ(row, 60u);
}

TEST_F(ValidationTest, SpreadsOverTheSplitWhenFewerAreAsked) {
  const ValidationSet set = make_validation_set(data_, {"de", "en"}, "valid", 3, 100, 300);
  std::vector<std::string> expected = {rows_[0][0], rows_[30][0], rows_[60][0]};
  std::vector<std::string> sources = set.sources;
  std::sort(sources.begin(), sources.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(sources, expected);
}

TEST_F(ValidationTest, DecodesIdsWhereNoTextIsKept) {
  const ValidationSet set = make_validation_set(data_, {"de", "en"}, "train", 0, 100, 300);
  EXPECT_EQ(set.sources, std::vector<std::string>{"ba ko"});
  EXPECT_EQ(set.references, std::vector<std::string>{"mi ren"});
}

TEST_F(ValidationTest, RefusesADirectionWithoutSegments) {
  EXPECT_THROW(make_validation_set(data_, {"en", "fr"}, "test", 0, 100, 300), Error);
  EXPECT_THROW(make_validation_set(data_, {"en", "fr"}, "train", 0, 100, 300), Error);
  EXPECT_THROW(make_validation_set(data_, {"en", "it"}, "valid", 0, 100, 300), Error);
}

TEST_F(ValidationTest, TellsWhatItsLengthLeavesOut) {
  const testing::LogCapture log;
  const ValidationSet set = make_validation_set(data_, {"de", "en"}, "valid", 0, 12, 300);
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_EQ(log.warnings()[0],
            fmt::format("data.max-length = 12 leaves out {} of 90 segments of de-en in split 'valid'",
                        90 - set.sources.size()));
}

}  // namespace
}  // namespace polymoe
