#include "polymoe/metrics/event_file.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/metrics/metrics_writer.h"
#include "polymoe/metrics/record_json.h"
#include "unit/report/run_folder.h"

namespace polymoe {
namespace {

using test::RunFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::uint32_t crc_of(const std::vector<unsigned char>& bytes) { return crc32c(std::as_bytes(std::span(bytes))); }

// RFC 3720, appendix B.4, and the check value of the CRC catalogues.
TEST(Crc32c, EqualsThePublishedVectors) {
  std::vector<unsigned char> rising(32);
  std::iota(rising.begin(), rising.end(), 0);
  const std::vector<unsigned char> falling(rising.rbegin(), rising.rend());
  EXPECT_EQ(crc_of(std::vector<unsigned char>(32, 0x00)), 0x8A9136AAu);
  EXPECT_EQ(crc_of(std::vector<unsigned char>(32, 0xFF)), 0x62A8AB43u);
  EXPECT_EQ(crc_of(rising), 0x46DD794Eu);
  EXPECT_EQ(crc_of(falling), 0x113FDB5Cu);
  EXPECT_EQ(crc_of({'1', '2', '3', '4', '5', '6', '7', '8', '9'}), 0xE3069283u);
  EXPECT_EQ(crc_of({}), 0u);
}

TEST(Crc32c, MaskRotatesRightBy15AndAddsTheConstant) {
  // 0xE3069283 rotated right by 15 is 0x2507C60D; plus 0xA282EAD8 is 0xC78AB0E5.
  EXPECT_EQ(masked_crc32c(std::as_bytes(std::span("123456789", 9))), 0xC78AB0E5u);
}

// A reader of its own for the formats ---------------------------------------------------------------------------------

template <typename T>
T take(std::string_view& bytes) {
  T value{};
  if (bytes.size() < sizeof(T)) throw std::runtime_error("truncated");
  std::memcpy(&value, bytes.data(), sizeof(T));  // the formats are little-endian, as the machines we test on
  bytes.remove_prefix(sizeof(T));
  return value;
}

std::string_view take_bytes(std::string_view& bytes, std::uint64_t count) {
  if (bytes.size() < count) throw std::runtime_error("truncated");
  const std::string_view taken = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return taken;
}

std::vector<std::string> records_of(std::string_view file) {
  std::vector<std::string> records;
  while (!file.empty()) {
    const std::string_view length_bytes = file.substr(0, 8);
    const auto length = take<std::uint64_t>(file);
    EXPECT_EQ(take<std::uint32_t>(file), masked_crc32c(std::as_bytes(std::span(length_bytes))));
    const std::string_view payload = take_bytes(file, length);
    EXPECT_EQ(take<std::uint32_t>(file), masked_crc32c(std::as_bytes(std::span(payload))));
    records.emplace_back(payload);
  }
  return records;
}

/// A protobuf message: the values of each field number; numbers as their bit patterns.
struct Message {
  std::map<std::uint64_t, std::vector<std::uint64_t>> numbers;
  std::map<std::uint64_t, std::vector<std::string>> bytes;
};

std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = take<unsigned char>(bytes);
    value |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
}

Message parse(std::string_view bytes) {
  Message message;
  while (!bytes.empty()) {
    const std::uint64_t key = take_varint(bytes);
    switch (key & 7) {
      case 0:
        message.numbers[key >> 3].push_back(take_varint(bytes));
        break;
      case 1:
        message.numbers[key >> 3].push_back(take<std::uint64_t>(bytes));
        break;
      case 5:
        message.numbers[key >> 3].push_back(take<std::uint32_t>(bytes));
        break;
      case 2:
        message.bytes[key >> 3].emplace_back(take_bytes(bytes, take_varint(bytes)));
        break;
      default:
        throw std::runtime_error("unknown wire type");
    }
  }
  return message;
}

std::vector<Message> events_of(const EventFileWriter& writer) {
  std::vector<Message> events;
  for (const std::string& record : records_of(read_file(writer.path()))) events.push_back(parse(record));
  return events;
}

std::map<std::string, float> scalars_of(const Message& event) {
  std::map<std::string, float> scalars;
  const Message summary = parse(event.bytes.at(5).at(0));
  for (const std::string& bytes : summary.bytes.at(1)) {
    const Message value = parse(bytes);
    scalars[value.bytes.at(1).at(0)] = std::bit_cast<float>(static_cast<std::uint32_t>(value.numbers.at(2).at(0)));
  }
  return scalars;
}

// -----------------------------------------------------------------------------------------------------------------------

TEST(EventFile, BeginsWithTheVersion) {
  const RunFolder folder;
  const EventFileWriter writer(folder.path() / "tensorboard");
  EXPECT_THAT(writer.path().filename().string(), ::testing::StartsWith("events.out.tfevents."));
  const std::vector<Message> events = events_of(writer);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_THAT(events[0].bytes.at(3), ElementsAre("brain.Event:2"));
  EXPECT_GT(std::bit_cast<double>(events[0].numbers.at(1).at(0)), 1.7e9);
}

TEST(EventFile, HoldsScalarsWithStepAndTime) {
  const RunFolder folder;
  EventFileWriter writer(folder.path());
  const std::vector<ScalarValue> values = {{"train/loss", 3.25}, {"a \"tag\" über", -1e-7}};
  writer.add_scalars(values, 300, 1772900000.5);
  const std::vector<Message> events = events_of(writer);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].numbers.at(2).at(0), 300u);
  EXPECT_EQ(std::bit_cast<double>(events[1].numbers.at(1).at(0)), 1772900000.5);
  const std::map<std::string, float> expected = {{"train/loss", 3.25f}, {"a \"tag\" über", -1e-7f}};
  EXPECT_EQ(scalars_of(events[1]), expected);
}

TEST(EventFile, LongRecordsTakeSeveralLengthBytes) {
  const RunFolder folder;
  EventFileWriter writer(folder.path());
  const std::string tag(100000, 'x');
  writer.add_scalars(std::vector<ScalarValue>{{tag, 1.0}}, std::int64_t{1} << 40, 0.0);
  const std::vector<Message> events = events_of(writer);
  EXPECT_EQ(events.at(1).numbers.at(2).at(0), std::uint64_t{1} << 40);
  EXPECT_EQ(scalars_of(events[1]).count(tag), 1u);
}

TEST(EventFile, AResumedRunMarksWhereItGoesOn) {
  const RunFolder folder;
  const EventFileWriter first(folder.path());
  const EventFileWriter second(folder.path(), 101);
  EXPECT_LT(first.path().filename(), second.path().filename());
  const std::vector<Message> events = events_of(second);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].numbers.at(2).at(0), 101u);
  EXPECT_EQ(parse(events[1].bytes.at(7).at(0)).numbers.at(1).at(0), 1u);  // SessionLog.status = START
}

TEST(EventFile, TurnsTrainingRecordsIntoScalars) {
  const RunFolder folder;
  EventFileWriter writer(folder.path());
  TrainRecord record;
  record.update = 7;
  record.time = 2.0;
  record.loss = 4.5;
  record.nll = 4.25;
  record.learning_rate = 0.5;
  record.gradient_norm = 2.0;
  record.tokens_per_second = 100.0;
  record.tasks["denoising"] = {.loss = 1.5, .nll = 1.25};
  writer.add_record(record);
  const std::vector<Message> events = events_of(writer);
  EXPECT_EQ(events.at(1).numbers.at(2).at(0), 7u);
  std::map<std::string, float> expected = {{"train/loss", 4.5f},
                                           {"train/nll", 4.25f},
                                           {"train/learning_rate", 0.5f},
                                           {"train/gradient_norm", 2.0f},
                                           {"train/tokens_per_second", 100.0f},
                                           {"tasks/denoising/loss", 1.5f},
                                           {"tasks/denoising/nll", 1.25f}};
  EXPECT_EQ(scalars_of(events[1]), expected);
  record.balance_loss = 1.125;
  writer.add_record(record);
  expected["train/balance_loss"] = 1.125f;
  EXPECT_EQ(scalars_of(events_of(writer).at(2)), expected);
}

TEST(EventFile, TurnsValidationAndExpertsIntoScalars) {
  const RunFolder folder;
  EventFileWriter writer(folder.path());
  ValidRecord record;
  record.update = 8;
  record.time = 2.0;
  record.loss = 3.0;
  record.chrf = 40.0;
  record.directions["en-de"] = {.loss = 2.5, .chrf = 41.0, .chrf_copy = 9.0};
  TaskScores& summary = record.tasks["summary"];
  summary.loss = 2.0;
  summary.segments = 4;
  summary.rouge_l = 30.5;
  writer.add_record(record);
  writer.add_record(ExpertsRecord{
      .update = 8,
      .time = 2.0,
      .layers = {{.name = "encoder.1", .experts = 2, .languages = {{"de", 10, {0.25, 0.75}, 0.125, 0.5}}}}});
  const std::vector<Message> events = events_of(writer);
  const std::map<std::string, float> valid = {{"valid/loss", 3.0f},
                                              {"valid/chrf", 40.0f},
                                              {"valid_loss/en-de", 2.5f},
                                              {"valid_chrf/en-de", 41.0f},
                                              {"valid_tasks/summary/loss", 2.0f},
                                              {"valid_tasks/summary/rougeL", 30.5f}};
  EXPECT_EQ(scalars_of(events.at(1)), valid);
  const std::map<std::string, float> experts = {{"experts/encoder.1/de/dropped", 0.125f},
                                                {"experts/encoder.1/de/entropy", 0.5f},
                                                {"experts/encoder.1/de/largest_share", 0.75f}};
  EXPECT_EQ(scalars_of(events.at(2)), experts);
}

TEST(EventFile, ShowsSamplesAsATable) {
  const RunFolder folder;
  EventFileWriter writer(folder.path());
  writer.add_record(SamplesRecord{
      .update = 9, .time = 2.0, .samples = {{"", "en-de", "a|b\nc", "r", "t"}, {"summary", "en-en", "s", "", "t"}}});
  const Message summary = parse(events_of(writer).at(1).bytes.at(5).at(0));
  const Message value = parse(summary.bytes.at(1).at(0));
  EXPECT_EQ(value.bytes.at(1).at(0), "samples");
  EXPECT_EQ(parse(parse(value.bytes.at(9).at(0)).bytes.at(1).at(0)).bytes.at(1).at(0), "text");
  EXPECT_THAT(parse(value.bytes.at(8).at(0)).bytes.at(8).at(0),
              HasSubstr("\n| en-de | a\\|b c | t | r |\n| summary: en-en | s | t |  |\n"));
}

TEST(EventFile, RecordsWithoutCurvesAddNothing) {
  const RunFolder folder;
  EventFileWriter writer(folder.path());
  writer.add_record(RunRecord{.parameters = 5});
  writer.add_record(ExpertsRecord{.update = 1, .time = 2.0});
  EXPECT_EQ(events_of(writer).size(), 1u);
}

TEST(EventFile, KeepsThePlaceOfANumberThatWasNotFinite) {
  const RunFolder folder;
  EventFileWriter writer(folder.path());
  TrainRecord record;
  record.update = 1;
  writer.add_record(record);
  EXPECT_TRUE(std::isnan(scalars_of(events_of(writer).at(1)).at("train/loss")));
}

// scripts/check-tensorboard names a folder to keep this run in, and reads it with TensorBoard itself.
TEST(EventFile, HoldsOneStepOnceForARunThatWasResumed) {
  const char* kept = std::getenv("POLYMOE_TEST_RUN");
  const RunFolder temporary;
  const std::filesystem::path folder = kept != nullptr ? kept : temporary.path();
  const auto train = [&](MetricsWriter& metrics, EventFileWriter& events, int first, int last, double loss) {
    for (int update = first; update <= last; ++update) {
      TrainRecord record;
      record.update = update;
      record.time = 1.7e9 + update;
      record.loss = loss / update;
      record.nll = update == 5 ? kMissing : loss;
      record.learning_rate = 1e-4 * update;
      record.gradient_norm = 1.0;
      record.tokens_per_second = 100.0 * update;
      record.tasks["translation"] = {.loss = loss, .nll = loss};
      std::vector<MetricsRecord> records = {record};
      if (update % 10 == 0) {
        ValidRecord valid;
        valid.update = update;
        valid.time = record.time;
        valid.loss = valid.nll = loss;
        valid.chrf = 40.0 + update;
        valid.directions["en-zh_CN"] = {.loss = loss, .segments = 4, .bleu = 1.0 / 3, .chrf = 30.0 + update};
        records.emplace_back(valid);
        records.emplace_back(SamplesRecord{
            .update = record.update, .time = record.time, .samples = {{"", "en-zh_CN", "Save", "保存", "存"}}});
      }
      for (const MetricsRecord& each : records) {
        metrics.append(to_json(each));
        events.add_record(each);
      }
    }
  };
  std::filesystem::path first_file;
  {
    MetricsWriter metrics(folder / "metrics.jsonl");
    EventFileWriter events(folder / "tensorboard");
    first_file = events.path();
    train(metrics, events, 1, 35, 9.0);
  }
  MetricsWriter metrics(folder / "metrics.jsonl");
  metrics.truncate_after_update(20);
  EventFileWriter events(folder / "tensorboard", 21);
  train(metrics, events, 21, 40, 5.0);

  EXPECT_EQ(records_of(read_file(first_file)).size(), 1u + 35 + 2 * 3);
  const std::vector<Message> resumed = events_of(events);
  EXPECT_EQ(resumed.size(), 2u + 20 + 2 * 2);
  EXPECT_EQ(scalars_of(resumed.at(2)).at("train/loss"), static_cast<float>(5.0 / 21));
}

TEST(EventFile, NamesAFolderItCannotMake) { EXPECT_THROW(EventFileWriter("/proc/no/such"), Error); }

}  // namespace
}  // namespace polymoe
