#include "polymoe/metrics/log_line.h"

#include <gtest/gtest.h>

namespace polymoe {
namespace {

TrainRecord logged_record() {
  TrainRecord record;
  record.update = 1200;
  record.loss = 3.2141;
  record.nll = 2.871;
  record.learning_rate = 4.2e-4;
  record.gradient_norm = 0.806;
  record.tokens = 99;
  record.tokens_per_second = 12345.4;
  return record;
}

TEST(LogLine, TellsATrainingRecord) {
  TrainRecord record = logged_record();
  EXPECT_EQ(log_line(record), "update 1,200 | loss 3.214 | nll 2.871 | lr 4.20e-04 | grad 0.81 | 12,345 tokens/s");
  record.balance_loss = 1.02;
  EXPECT_EQ(log_line(record),
            "update 1,200 | loss 3.214 | nll 2.871 | balance 1.020 | lr 4.20e-04 | grad 0.81 | 12,345 tokens/s");
}

TEST(LogLine, TellsAValidation) {
  ValidRecord record;
  record.update = 50;
  record.loss = 2.5;
  record.nll = 2.25;
  EXPECT_EQ(log_line(record), "update 50 | valid loss 2.500 | nll 2.250");
  record.bleu = 20.126;
  record.chrf = 41.2;
  record.best = true;
  EXPECT_EQ(log_line(record), "update 50 | valid loss 2.500 | nll 2.250 | BLEU 20.13 | chrF 41.20 | best so far");
}

TEST(LogLine, TellsTheLossOfEachTaskWhereThereAreSeveral) {
  ValidRecord record;
  record.update = 1;
  record.loss = record.nll = 3;
  record.tasks["translation"].loss = 3.25;
  EXPECT_EQ(log_line(record), "update 1 | valid loss 3.000 | nll 3.000");
  record.tasks["summary"].loss = 2.5;
  EXPECT_EQ(log_line(record), "update 1 | valid loss 3.000 | nll 3.000 | summary 2.500 | translation 3.250");
}

TEST(LogLine, ShowsWhatIsNotFinite) {
  TrainRecord record = logged_record();
  record.loss = kMissing;
  EXPECT_EQ(log_line(record), "update 1,200 | loss nan | nll 2.871 | lr 4.20e-04 | grad 0.81 | 12,345 tokens/s");
}

TEST(LogLine, OfOtherRecordsIsEmpty) { EXPECT_EQ(log_line(SamplesRecord{.update = 1}), ""); }

}  // namespace
}  // namespace polymoe
