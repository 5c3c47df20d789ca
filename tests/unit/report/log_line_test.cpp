#include "report/log_line.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace polymoe {
namespace {

using nlohmann::json;

TEST(LogLine, TellsATrainingRecord) {
  const json record = {
      {"type", "train"},      {"update", 1200},          {"loss", 3.2141},         {"nll", 2.871},
      {"balance_loss", 1.02}, {"learning_rate", 4.2e-4}, {"gradient_norm", 0.806}, {"tokens_per_second", 12345.4},
      {"tokens", 99}};
  EXPECT_EQ(log_line(record),
            "update 1,200 | loss 3.214 | nll 2.871 | balance 1.020 | lr 4.20e-04 | grad 0.81 | 12,345 tokens/s");
}

TEST(LogLine, TellsAValidation) {
  const json record = {{"type", "valid"}, {"update", 50}, {"loss", 2.5},
                       {"bleu", 20.126},  {"chrf", 41.2}, {"best", true}};
  EXPECT_EQ(log_line(record), "update 50 | valid loss 2.500 | BLEU 20.13 | chrF 41.20 | best so far");
}

TEST(LogLine, TellsTheLossOfEachTaskWhereThereAreSeveral) {
  json record = {{"type", "train"}, {"update", 1}, {"loss", 3}, {"tasks", {{"translation", {{"loss", 3.25}}}}}};
  EXPECT_EQ(log_line(record), "update 1 | loss 3.000");
  record["tasks"]["summary"] = {{"loss", 2.5}};
  EXPECT_EQ(log_line(record), "update 1 | loss 3.000 | summary 2.500 | translation 3.250");
}

TEST(LogLine, ShowsWhatIsNotFinite) {
  EXPECT_EQ(log_line({{"type", "train"}, {"update", 1}, {"loss", nullptr}}), "update 1 | loss nan");
}

TEST(LogLine, OfOtherRecordsIsEmpty) { EXPECT_EQ(log_line({{"type", "samples"}, {"update", 1}}), ""); }

}  // namespace
}  // namespace polymoe
