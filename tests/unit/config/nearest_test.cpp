#include "polymoe/config/nearest.h"

#include <gtest/gtest.h>

#include "polymoe/config/merge.h"
#include "polymoe/config/sections.h"

namespace polymoe {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsSubstitutionsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("hidden", "hiden"), 1u);
  EXPECT_EQ(edit_distance("hidden", "hiddne"), 1u);
  EXPECT_EQ(edit_distance("ca", "abc"), 3u);  // two with edits inside a swapped pair, which this distance leaves out
}

TEST(NormalizeKey, JoinsCaseSeparatorsAndSpelling) {
  EXPECT_EQ(normalize_key("Label_Smoothing"), "label-smoothing");
  EXPECT_EQ(normalize_key("normalise-gates"), normalize_key("normalize-gates"));
  EXPECT_EQ(normalize_key("optimiser"), normalize_key("optimizer"));
  EXPECT_EQ(normalize_key("tokenisation"), normalize_key("tokenization"));
}

TEST(Nearest, FindsTheWordThatWasMeant) {
  const std::vector<std::string> words = {"corpus", "vocab", "prepare", "train", "translate", "evaluate", "report"};
  EXPECT_EQ(nearest("trian", words), "train");
  EXPECT_EQ(nearest("translat", words), "translate");
  EXPECT_EQ(nearest("EVALUATE", words), "evaluate");
  EXPECT_EQ(nearest("xyzzy", words), "");
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(nearest("train", {}), "");
}

TEST(Nearest, PrefersTheSameSectionAndOneEditToAMissingWord) {
  const std::vector<std::string> keys = {"model.moe.capacity", "model.moe.capacity-factor", "parallel.expert",
                                         "model.moe.experts"};
  EXPECT_EQ(nearest("model.moe.expert", keys), "model.moe.experts");
  EXPECT_EQ(nearest("model.moe.capacity-facto", keys), "model.moe.capacity-factor");
  EXPECT_EQ(nearest("model.moe.capacity-factor-", keys), "model.moe.capacity-factor");
  EXPECT_EQ(nearest("model.expert", keys), "parallel.expert");
}

TEST(Nearest, TakesTimeForNoEndlessWord) { EXPECT_EQ(nearest(std::string(10'000'000, 'a'), {"aaa"}), ""); }

TEST(NearestKey, FindsKeysByTheirWholeOrTheirLastPart) {
  PlannerOptions options;
  const std::vector<Section> sections = sections_of(options);
  const std::pair<const char*, const char*> cases[] = {
      {"model.hiden", "model.hidden"},          // a slip
      {"hidden", "model.hidden"},               // without its section
      {"train.hidden", "model.hidden"},         // in a wrong section
      {"model.expertss", "model.moe.experts"},  // a slip, and a section too high
      {"model.expert", "parallel.expert"},      // a key of another section, as it stands there
      {"label_smoothing", "train.label-smoothing"},
      {"train.label_smoothing", "train.label-smoothing"},
      {"optimiser.learning-rate", "optimizer.learning-rate"},
      {"optimiser", "optimizer"},  // a section
      {"moe.normalise_gates", "model.moe.normalize-gates"},
      {"decode.beam", "decode.beam-size"},  // a word is missing
      {"MODEL.HIDDEN", "model.hidden"},
      {"decode.max-token", "decode.max-tokens"},  // the section decides
      {"train.max-token", "train.max-tokens"},
      {"colour", ""},
      {"model.zzzzzzzz", ""},
  };
  for (const auto& [wrong, right] : cases) EXPECT_EQ(nearest_key(sections, wrong), right) << wrong;
}

}  // namespace
}  // namespace polymoe
