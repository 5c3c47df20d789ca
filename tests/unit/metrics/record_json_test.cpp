#include "polymoe/metrics/record_json.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/json_text.h"
#include "polymoe/metrics/json_object.h"

namespace polymoe {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const Where kWhere{"metrics.jsonl", 3};

std::optional<MetricsRecord> read_record(const std::string& line) {
  const JsonObject::Json object = JsonObject::parse(line, kWhere, "a remedy");
  return record_of(JsonObject(object, kWhere, "record", "a remedy"));
}

// What is written is read again, and written as before.
void expect_kept(const MetricsRecord& record) {
  const std::string line = dump_json(to_json(record));
  const std::optional<MetricsRecord> again = read_record(line);
  ASSERT_TRUE(again) << line;
  EXPECT_EQ(dump_json(to_json(*again)), line);
}

std::string message_of(const std::string& line) {
  try {
    read_record(line);
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing is wrong";
}

TrainRecord stored_record() {
  TrainRecord record;
  record.update = 7;
  record.time = 1700000000;
  record.seconds = 1.5;
  record.loss = 3.25;
  record.nll = 3.0;
  record.learning_rate = 0.5;
  record.gradient_norm = 2.0;
  record.tokens = 12345678901;
  record.tokens_per_second = 10.5;
  record.tasks["translation"] = {.loss = 3.25, .nll = 3.0};
  record.memory["process"] = 4096;
  return record;
}

// The keys and kinds of numbers that scripts and old files know.
TEST(RecordJson, WritesATrainingRecordAsItHasAlwaysStood) {
  EXPECT_EQ(dump_json(to_json(stored_record())),
            R"({"gradient_norm":2.0,"learning_rate":0.5,"loss":3.25,"memory":{"process":4096},"nll":3.0,"seconds":1.5,)"
            R"("tasks":{"translation":{"loss":3.25,"nll":3.0}},"time":1700000000,"tokens":12345678901,)"
            R"("tokens_per_second":10.5,"type":"train","update":7})");
}

TEST(RecordJson, LeavesOutWhatNeedNotBeThereAndWritesNullForWhatIsNotFinite) {
  TrainRecord record = stored_record();
  record.loss = kMissing;
  record.loss_scale = 1024.0;
  record.skipped_updates = 2;
  record.balance_loss = 1.5;
  record.communication["expert"] = {.bytes = 100, .seconds = 0.25};
  record.communication_share = 0.125;
  const json object = to_json(record);
  EXPECT_EQ(dump_json(object["loss"]), "null");
  EXPECT_EQ(object["skipped_updates"], 2);
  EXPECT_EQ(dump_json(object["communication"]["expert"]), R"({"bytes":100,"seconds":0.25})");
  expect_kept(record);
}

TEST(RecordJson, WritesTheConfigurationBySections) {
  RunRecord record{.time = 1, .languages = {"en", "de"}, .config = {{"model.hidden", "32"}, {"model.moe.top-k", "2"}}};
  EXPECT_EQ(dump_json(to_json(record)["config"]), R"({"model":{"hidden":"32"},"model.moe":{"top-k":"2"}})");
  expect_kept(record);
}

TEST(RecordJson, ReadsWhatItWrites) {
  ValidRecord valid;
  valid.update = 8;
  valid.loss = 2.0;
  valid.best = true;
  valid.directions["en-de"] = {.loss = 2.0, .segments = 10, .bleu = 20.5, .chrf = 40.0, .chrf_copy = 9.0};
  valid.tasks["summary"].rouge_l = 30.5;
  valid.tasks["summary"].directions["en-en"] = {.loss = 1.0, .segments = 3, .rouge1 = 33.0};
  expect_kept(valid);
  EXPECT_EQ(to_json(valid)["tasks"]["summary"]["directions"]["en-en"]["rouge1"], 33.0);

  expect_kept(ExpertsRecord{.update = 8,
                            .layers = {{.name = "encoder.1",
                                        .experts = 2,
                                        .dropped_by_position = {0.0, 0.5},
                                        .languages = {{"de", 10, {0.25, 0.75}, 0.125, 0.5}}}}});
  expect_kept(
      SamplesRecord{.update = 8, .samples = {{"", "en-de", "s", "r", "t"}, {"summary", "en-en", "s", "r", "t"}}});
}

TEST(RecordJson, PassesOverWhatItDoesNotKnow) {
  EXPECT_FALSE(read_record(R"({"type":"weather","update":1})"));
  EXPECT_FALSE(read_record("{}"));
  const auto record = read_record(R"({"type":"train","update":1,"mood":"good"})");
  ASSERT_TRUE(record);
  EXPECT_TRUE(std::isnan(std::get<TrainRecord>(*record).loss));
}

TEST(RecordJson, NamesTheLineOfAValueOfAnotherKind) {
  EXPECT_THAT(message_of(R"({"type":"train","update":1,"loss":"high"})"), HasSubstr("metrics.jsonl:3"));
  EXPECT_THAT(message_of(R"({"type":"train","loss":1})"), HasSubstr("no \"update\" in a record of type train"));
  EXPECT_THAT(message_of(R"({"type":"experts","update":1,"layers":{}})"), HasSubstr("\"layers\" is not an array"));
}

}  // namespace
}  // namespace polymoe
