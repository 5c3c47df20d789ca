#include "polymoe/text/vocabulary_layout.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/data/frame.h"
#include "polymoe/text/vocabulary.h"
#include "unit/data/test_data.h"

namespace polymoe {
namespace {

using ::testing::HasSubstr;

const std::string& model() { return testing::test_vocabulary_bytes(); }

/// The model's pieces the other way round, with a piece that it lacks and tags at the end.
VocabularyLayout reversed_layout() {
  VocabularyLayout layout;
  const std::vector<std::string> pieces = pieces_of(model());
  layout.pieces.assign(pieces.rbegin(), pieces.rend());
  const auto last = static_cast<std::int32_t>(pieces.size()) - 1;
  layout.begin = last;
  layout.pad = last - 1;
  layout.end = last - 2;
  layout.unknown = last - 3;
  layout.pieces.insert(layout.pieces.end(), {"nowhere", "eng_Latn", "deu_Latn"});
  layout.languages = {{"eng_Latn", last + 2, false}, {"deu_Latn", last + 3, true}};
  layout.special = {last, last - 1, last - 2, last + 1, last + 2, last + 3};
  layout.marks = {TextMarks::Source::kSourceTag, TextMarks::Target::kEndTag};
  return layout;
}

std::string layout_error(const std::string& bytes) {
  try {
    Vocabulary::parse(bytes, "v.model");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(VocabularyLayout, GivesTheIdsAndLeavesTheModelAsItWas) {
  const VocabularyLayout layout = reversed_layout();
  const std::string bytes = with_layout(model(), layout);
  EXPECT_EQ(without_layout(bytes), model());
  const Vocabulary native = Vocabulary::parse(model(), "n.model"), vocabulary = Vocabulary::parse(bytes, "v.model");
  EXPECT_EQ(vocabulary.size(), native.size() + 3);
  const std::string text = testing::invented_sentence("en", 3);
  std::vector<std::int32_t> expected = native.encode(text);
  for (std::int32_t& id : expected) id = native.size() - 1 - id;
  EXPECT_EQ(vocabulary.encode(text), expected);
  EXPECT_EQ(vocabulary.decode(expected), text);
  EXPECT_EQ(vocabulary.encode("\u732b").back(), vocabulary.unk());
  EXPECT_EQ(vocabulary.pad(), layout.pad);
  EXPECT_EQ(vocabulary.eos(), layout.end);
  EXPECT_EQ(vocabulary.mask(), -1);
  EXPECT_EQ(vocabulary.languages(), (std::vector<std::string>{"eng_Latn", "deu_Latn"}));
  EXPECT_EQ(vocabulary.language_tag("deu_Latn"), layout.languages[1].tag);
  EXPECT_TRUE(vocabulary.is_special(layout.end));
  EXPECT_FALSE(vocabulary.is_special(layout.unknown));
  EXPECT_TRUE(vocabulary.tasks().empty());
}

TEST(VocabularyLayout, EncodesTargetsWithAModelOfTheirOwn) {
  VocabularyLayout layout = reversed_layout();
  VocabularyOptions options;
  options.size = 60;
  std::vector<std::string> sentences;
  for (std::uint64_t i = 0; i < 500; ++i) sentences.push_back(testing::invented_sentence("en", i));
  layout.target_model = train_vocabulary(options, {"de"}, sentences);
  const std::vector<std::string> pieces = pieces_of(layout.target_model);
  layout.pieces.insert(layout.pieces.end(), pieces.begin() + 7, pieces.end());
  const std::string bytes = with_layout(model(), layout);
  EXPECT_EQ(without_layout(bytes), model());
  const Vocabulary vocabulary = Vocabulary::parse(bytes, "v.model");
  const std::string text = testing::invented_sentence("en", 5);
  const std::vector<std::int32_t> source = vocabulary.encode(text, 0), target = vocabulary.encode(text, 1);
  EXPECT_LT(source.size(), target.size()) << "a smaller model has shorter pieces";
  EXPECT_EQ(vocabulary.decode(source), text);
  EXPECT_EQ(vocabulary.decode(target), text);
}

TEST(VocabularyLayout, FramesFollowTheMarks) {
  VocabularyLayout layout = reversed_layout();
  const auto frame_with = [&](TextMarks marks) {
    layout.marks = marks;
    return make_frame(Vocabulary::parse(with_layout(model(), layout), "v.model"), Task::kTranslation, 0, 1);
  };
  using Source = TextMarks::Source;
  using Target = TextMarks::Target;
  const std::vector<std::int32_t> none, en = {layout.languages[0].tag}, de = {layout.languages[1].tag},
                                        end = {layout.end};
  Frame frame = frame_with({Source::kSourceTag, Target::kEndTag});
  EXPECT_EQ(frame.source_head, en);
  EXPECT_EQ(frame.source_tail, end);
  EXPECT_EQ(frame.start, layout.end);
  EXPECT_EQ(frame.target_head, de);
  EXPECT_EQ(frame.target_tail, end);
  EXPECT_EQ(frame.source_marks(), 2);
  EXPECT_EQ(frame.target_marks(), 2);

  frame = frame_with({Source::kSourceTagBehind, Target::kTag});
  EXPECT_EQ(frame.source_head, none);
  EXPECT_EQ(frame.source_tail, (std::vector<std::int32_t>{layout.end, en[0]}));
  EXPECT_EQ(frame.start, de[0]);
  EXPECT_EQ(frame.target_head, none);

  frame = frame_with({Source::kTargetTag, Target::kPad});
  EXPECT_EQ(frame.source_head, de);
  EXPECT_EQ(frame.start, layout.pad);

  layout.languages[1].tag = -1;
  frame = frame_with({Source::kPlain, Target::kPad});
  EXPECT_EQ(frame.source_head, none);
  EXPECT_EQ(frame.source_tail, end);
  EXPECT_THROW(frame_with({Source::kPlain, Target::kTag}), Error) << "a tag that is needed but not there";
}

TEST(VocabularyLayout, RefusesIdsThatMakeNoSense) {
  const auto error_with = [](auto change) {
    VocabularyLayout layout = reversed_layout();
    change(layout);
    return layout_error(with_layout(model(), layout));
  };
  EXPECT_EQ(error_with([](VocabularyLayout&) {}), "");
  EXPECT_THAT(error_with([](auto& l) { l.pad = 1000; }),
              HasSubstr("v.model: the layout of the vocabulary is damaged: pad is 1000"));
  EXPECT_THAT(error_with([](auto& l) { l.pad = l.end; }), HasSubstr("share an id"));
  EXPECT_THAT(error_with([](auto& l) { l.special.push_back(-1); }), HasSubstr("special is -1"));
  EXPECT_THAT(error_with([](auto& l) { l.languages.clear(); }), HasSubstr("no languages"));
  EXPECT_THAT(error_with([](auto& l) { l.languages[1].code = "eng_Latn"; }), HasSubstr("'eng_Latn' is there twice"));
  EXPECT_THAT(error_with([](auto& l) { l.target_model = "none"; }), HasSubstr("SentencePiece model"));
  const std::string bytes = with_layout(model(), reversed_layout());
  EXPECT_NE(layout_error(bytes.substr(0, bytes.size() - 1)), "") << "cut short";
}

}  // namespace
}  // namespace polymoe
