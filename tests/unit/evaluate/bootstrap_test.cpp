#include "polymoe/evaluate/bootstrap.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/evaluate/numpy_random.h"

namespace polymoe {
namespace {

using nlohmann::json;

/// Of scripts/metric-table.
json read_table() { return parse_json(read_file(POLYMOE_SOURCE_DIR "/tests/data/evaluate/significance.json")); }

SegmentStatistics statistics_of(const std::string& metric, const std::vector<std::string>& hypotheses,
                                const std::vector<std::vector<std::string>>& streams) {
  if (metric == "bleu") return bleu_statistics(hypotheses, streams, {});
  if (metric == "ter") return ter_statistics(hypotheses, streams, {});
  return chrf_statistics(hypotheses, streams, {.word_order = metric == "chrf++" ? 2u : 0u});
}

TEST(NumpyRandom, DrawsWhatNumpyDraws) {
  const json table = read_table();
  for (const json& row : table["drawn"]) {
    NumpyRandom random(row["seed"].get<std::uint64_t>());
    for (const json& number : row["drawn"]) {
      EXPECT_EQ(random.below(row["bound"].get<std::uint32_t>()), number.get<std::uint32_t>()) << row["seed"];
    }
  }
}

void expect_same(const BootstrapScore& score, const json& expected, double tolerance) {
  EXPECT_NEAR(score.score, expected["score"], tolerance);
  EXPECT_NEAR(score.mean, expected["mean"], tolerance);
  EXPECT_NEAR(score.interval, expected["ci"], tolerance);
}

// sacreBLEU sums and scores in float32: its own numbers have an error of some 1e-6 of 100. The same code in float64
// leaves none.
TEST(PairedBootstrap, IsThatOfSacreBleu) {
  const json table = read_table();
  const std::vector<std::vector<std::string>> streams = {table["text"]["first"], table["text"]["second"]};
  for (const json& test : table["tests"]) {
    for (const std::string metric : {"bleu", "chrf", "chrf++", "ter"}) {
      const SegmentStatistics weak = statistics_of(metric, table["text"]["weak"], streams);
      const SegmentStatistics strong = statistics_of(metric, table["text"]["strong"], streams);
      const PairedBootstrap found = paired_bootstrap(weak, strong, test["resamples"], test["seed"]);
      const PairedBootstrap same = paired_bootstrap(weak, weak, test["resamples"], test["seed"]);
      for (const auto& [precision, tolerance] : std::map<std::string, double>{{"float64", 1e-9}, {"float32", 1e-4}}) {
        SCOPED_TRACE(metric + " " + precision + " seed " + dump_json(test["seed"]));
        const json& expected = test[precision][metric];
        expect_same(found.baseline, expected[0], tolerance);
        expect_same(found.system, expected[1], tolerance);
        EXPECT_EQ(found.p_value, expected[1]["p_value"].get<double>());
        EXPECT_EQ(same.p_value, expected[2]["p_value"].get<double>());
      }
    }
  }
}

/// Segments that score 0 or 100, so that a resample's score counts the latter.
SegmentStatistics scores(const std::vector<double>& values) {
  return {1, values, [](std::span<const double> sums) { return sums[0]; }};
}

TEST(PairedBootstrap, ADifferenceInEverySegmentIsCertain) {
  const std::vector<double> zeros(20, 0), ones(20, 1);
  const PairedBootstrap test = paired_bootstrap(scores(zeros), scores(ones), 99, 1);
  EXPECT_EQ(test.system.score, 20);
  EXPECT_EQ(test.system.mean, 20);
  EXPECT_EQ(test.system.interval, 0);
  EXPECT_DOUBLE_EQ(test.p_value, 0.01);  // none of 99 is further away, and the one that was seen
}

TEST(PairedBootstrap, RougeIsTheMeanOfTheSegmentsDrawn) {
  const std::vector<std::string> hypotheses = {"a b", "c", "x"};
  const std::vector<std::vector<std::string>> streams = {{"a b", "c d", "y"}};
  const SegmentStatistics rouge = rouge_statistics(hypotheses, streams, RougeTokens::kUnicode, &RougeScore::rouge1);
  const PairedBootstrap test = paired_bootstrap(rouge, rouge, 10, 1);
  EXPECT_DOUBLE_EQ(test.system.score, corpus_rouge(hypotheses, streams).rouge1.f);
}

TEST(PairedBootstrap, RefusesWhatCannotBePaired) {
  EXPECT_THROW(paired_bootstrap(scores({1, 0}), scores({1}), 10, 1), Error);
  EXPECT_THROW(paired_bootstrap(scores({1}), scores({1}), 0, 1), Error);
}

}  // namespace
}  // namespace polymoe
