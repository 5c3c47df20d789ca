#include "polymoe/data/examples.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/data/pool.h"
#include "unit/data/test_data.h"

namespace polymoe {
namespace {

using testing::invented_rows;
using testing::TemporaryFolder;

class ExamplesTest : public ::testing::Test {
 protected:
  ExamplesTest()
      : data_(testing::prepare_test_data(
            folder_, {testing::write_corpus(folder_, "news", "train", {"de", "en", "fr"}, invented_rows(2000)),
                      testing::write_corpus(folder_, "talks", "train", {"en", "fr"},
                                            {{"ba ko", "mi"}, {"ren", ""}, {"tu", "sa lo"}})})) {}

  /// Corpus and line of every example, found one by one.
  std::vector<std::pair<std::string, std::uint64_t>> expected(const std::string& a, const std::string& b,
                                                              std::uint64_t max_tokens) const {
    std::vector<std::pair<std::string, std::uint64_t>> places;
    for (const Dataset::Corpus& corpus : data_.corpora()) {
      const Dataset::Split& split = corpus.splits.at("train");
      if (!split.languages.contains(a) || !split.languages.contains(b)) continue;
      for (std::uint64_t line = 0; line < split.lines; ++line) {
        const std::uint64_t lengths[] = {split.languages.at(a).length(line), split.languages.at(b).length(line)};
        if (lengths[0] > 0 && lengths[1] > 0 && lengths[0] <= max_tokens && lengths[1] <= max_tokens) {
          places.emplace_back(corpus.name, line);
        }
      }
    }
    return places;
  }

  TemporaryFolder folder_;
  Dataset data_;
};

TEST_F(ExamplesTest, AreTheLinesThatBothLanguagesHaveWithinTheLimit) {
  for (const std::int64_t max_length : {8, 15, 1000}) {
    ExampleIndex index(data_, "train", max_length);
    for (const Direction& direction : {Direction{"de", "en"}, {"en", "fr"}, {"fr", "de"}, {"fr", "fr"}}) {
      const ExampleSet examples = index.examples(direction);
      std::vector<std::pair<std::string, std::uint64_t>> places;
      for (std::uint64_t i = 0; i < examples.count(); ++i) {
        const ExampleSet::Place place = examples.place(i);
        places.emplace_back(place.part->corpus->name, place.line);
      }
      // Up to three marks stand beside the tokens: task tag, language tag, </s>.
      EXPECT_EQ(places, expected(direction.source, direction.target, static_cast<std::uint64_t>(max_length - 3)))
          << direction.name() << max_length;
    }
  }
}

TEST_F(ExamplesTest, AreNoneWhereTheLimitLeavesNone) {
  EXPECT_EQ(ExampleIndex(data_, "train", 3).examples({"de", "en"}).count(), 0u);
  EXPECT_EQ(ExampleIndex(data_, "train", 1).examples({"de", "en"}).count(), 0u);
  EXPECT_EQ(ExampleIndex(data_, "test", 100).examples({"de", "en"}).count(), 0u);
}

TEST_F(ExamplesTest, ComeOnceInEachEpochOfAPoolAndInAnotherOrderInTheNext) {
  ExampleIndex index(data_, "train", 100);
  const Pool pool(data_.vocabulary(), Task::kTranslation, {"en", "fr"}, index.examples({"en", "fr"}), {}, 3);
  const std::uint64_t count = pool.examples().count();
  std::vector<std::pair<std::string, std::uint64_t>> first, second;
  for (std::uint64_t draw = 0; draw < 2 * count; ++draw) {
    const ExampleSet::Place place = pool.draw(draw).place;
    (draw < count ? first : second).emplace_back(place.part->corpus->name, place.line);
  }
  EXPECT_NE(first, second);
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  EXPECT_EQ(first, expected("en", "fr", 97));
  EXPECT_EQ(second, first);
}

TEST_F(ExamplesTest, CarryTagsAndEndMarksAndTheLengthsOfTheirDraw) {
  const Vocabulary& vocabulary = data_.vocabulary();
  ExampleIndex index(data_, "train", 100);
  const Pool translation(vocabulary, Task::kTranslation, {"en", "fr"}, index.examples({"en", "fr"}), {}, 3);
  const std::uint64_t last = translation.examples().count() - 1;
  const Example example = translation.materialize(translation.draw_at(0, translation.examples().place(last)));
  std::vector<std::int32_t> source = vocabulary.encode("tu"), target = vocabulary.encode("sa lo");
  source.insert(source.begin(), vocabulary.language_tag("fr"));
  source.push_back(2);
  target.push_back(2);
  EXPECT_EQ(example.source, source);
  EXPECT_EQ(example.target, target);
  EXPECT_EQ(example.start, vocabulary.language_tag("fr"));
  EXPECT_EQ(example.source_language, 1);
  EXPECT_EQ(example.target_language, 2);
  EXPECT_EQ(example.task, 0);

  const Pool denoising(vocabulary, Task::kDenoising, {"en", "en"}, index.examples({"en", "en"}), {}, 3);
  for (std::uint64_t number = 0; number < 300; ++number) {
    for (const Pool* pool : {&translation, &denoising}) {
      const Pool::Draw draw = pool->draw(number);
      const Example made = pool->materialize(draw);
      EXPECT_EQ(made.source.size(), static_cast<std::size_t>(draw.source_length));
      EXPECT_EQ(made.target.size(), static_cast<std::size_t>(draw.target_length));
      EXPECT_LE(made.source.size(), 100u);
    }
  }
}

TEST_F(ExamplesTest, DenoisingMapsASpoiledLineToTheLine) {
  const Vocabulary& vocabulary = data_.vocabulary();
  ExampleIndex index(data_, "train", 100);
  const Pool pool(vocabulary, Task::kDenoising, {"de", "de"}, index.examples({"de", "de"}), {0.4, 2.0, 0.0, 0}, 3);
  int masks = 0;
  for (std::uint64_t number = 0; number < 100; ++number) {
    const Pool::Draw draw = pool.draw(number);
    const Example example = pool.materialize(draw);
    std::vector<std::int32_t> line;
    draw.place.part->source->read(draw.place.line, line);
    line.push_back(2);
    EXPECT_EQ(example.target, line);
    EXPECT_EQ(example.source[0], vocabulary.task_tag("denoise"));
    EXPECT_EQ(example.source[1], vocabulary.language_tag("de"));
    EXPECT_EQ(example.task, 1);
    // Without deletion and shuffling, the source is the target with gaps.
    auto next = line.begin();
    for (std::size_t i = 2; i < example.source.size(); ++i) {
      if (example.source[i] == vocabulary.mask()) {
        ++masks;
        continue;
      }
      next = std::find(next, line.end(), example.source[i]);
      ASSERT_NE(next, line.end());
      ++next;
    }
  }
  EXPECT_GT(masks, 50);
}

TEST_F(ExamplesTest, CountsPairsOfWhichASideIsTooLong) {
  ExampleIndex all(data_, "train", 1000), some(data_, "train", 12);
  for (const Direction& direction : {Direction{"de", "en"}, {"en", "fr"}, {"fr", "fr"}}) {
    const ExampleSet whole = all.examples(direction), part = some.examples(direction);
    EXPECT_EQ(whole.too_long(), 0u);
    EXPECT_GT(part.too_long(), 0u);
    EXPECT_EQ(part.count() + part.too_long(), whole.count()) << direction.name();
  }
}

}  // namespace
}  // namespace polymoe
