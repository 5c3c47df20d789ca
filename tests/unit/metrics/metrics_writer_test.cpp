#include "polymoe/metrics/metrics_writer.h"

#include <csignal>
#include <limits>

#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "unit/report/run_folder.h"

namespace polymoe {
namespace {

using nlohmann::json;
using test::RunFolder;
using ::testing::HasSubstr;

TEST(MetricsWriter, WritesOneObjectALine) {
  const RunFolder folder;
  MetricsWriter writer(folder.metrics_path());
  writer.append({{"type", "train"}, {"update", 1}});
  writer.append({{"text", "two\nlines"}});
  EXPECT_EQ(folder.metrics(), "{\"type\":\"train\",\"update\":1}\n{\"text\":\"two\\nlines\"}\n");
}

TEST(MetricsWriter, WritesNumbersThatAreNotFiniteAsNull) {
  const RunFolder folder;
  MetricsWriter writer(folder.metrics_path());
  writer.append({{"a", std::numeric_limits<double>::quiet_NaN()}, {"b", -std::numeric_limits<double>::infinity()}});
  EXPECT_EQ(folder.metrics(), "{\"a\":null,\"b\":null}\n");
}

TEST(MetricsWriter, ReplacesMalformedUtf8) {
  const RunFolder folder;
  MetricsWriter writer(folder.metrics_path());
  writer.append({{"text", "a\xFFz"}});
  EXPECT_EQ(folder.metrics(), "{\"text\":\"a\uFFFDz\"}\n");
}

TEST(MetricsWriter, RemovesAnIncompleteLastLineBeforeItGoesOn) {
  const RunFolder folder("{\"update\":1}\n{\"upda");
  MetricsWriter writer(folder.metrics_path());
  writer.append({{"update", 2}});
  EXPECT_EQ(folder.metrics(), "{\"update\":1}\n{\"update\":2}\n");
}

TEST(MetricsWriter, EmptiesAFileThatIsOneIncompleteLine) {
  const RunFolder folder("{\"upda");
  const MetricsWriter writer(folder.metrics_path());
  EXPECT_EQ(folder.metrics(), "");
}

TEST(MetricsWriter, DropsWhatAResumedRunMakesAgain) {
  const RunFolder folder(
      "{\"type\":\"run\"}\n{\"update\":10}\n{\"update\":20,\"type\":\"valid\"}\n{\"update\":30}\n{\"type\":\"run\"}\n");
  MetricsWriter writer(folder.metrics_path());
  EXPECT_EQ(writer.truncate_after_update(20), 1u);
  const std::string kept =
      "{\"type\":\"run\"}\n{\"update\":10}\n{\"update\":20,\"type\":\"valid\"}\n{\"type\":\"run\"}\n";
  EXPECT_EQ(folder.metrics(), kept);
  writer.append({{"update", 30}});
  EXPECT_EQ(folder.metrics(), kept + "{\"update\":30}\n");
}

TEST(MetricsWriter, DropsAValidationThatTheCheckpointDoesNotKnowOf) {
  const RunFolder folder(
      "{\"update\":10,\"type\":\"valid\"}\n{\"update\":20,\"type\":\"train\"}\n{\"update\":20,\"type\":\"valid\"}\n"
      "{\"update\":20,\"type\":\"experts\"}\n");
  MetricsWriter writer(folder.metrics_path());
  EXPECT_EQ(writer.truncate_after_update(20, /*validated=*/false), 2u);
  EXPECT_EQ(folder.metrics(), "{\"update\":10,\"type\":\"valid\"}\n{\"update\":20,\"type\":\"train\"}\n");
}

TEST(MetricsWriter, ARunThatBeginsAnewHasNoRecordsOfAnotherStart) {
  const RunFolder folder("{\"type\":\"run\"}\n{\"update\":10}\n");
  MetricsWriter writer(folder.metrics_path());
  EXPECT_EQ(writer.clear(), 2u);
  writer.append({{"update", 1}});
  EXPECT_EQ(folder.metrics(), "{\"update\":1}\n");
}

TEST(MetricsWriter, KeepsADamagedFileAsItIsAndNamesTheLine) {
  const std::string content = "{\"update\":10}\nnot json\n";
  const RunFolder folder(content);
  MetricsWriter writer(folder.metrics_path());
  try {
    writer.truncate_after_update(5);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.where().line, 2u);
    EXPECT_THAT(error.what(), HasSubstr("metrics.jsonl:2"));
  }
  EXPECT_EQ(folder.metrics(), content);
}

TEST(MetricsWriter, TakesBackALineThatTheDiskHasNoRoomFor) {
  const RunFolder folder;
  MetricsWriter writer(folder.metrics_path());
  writer.append({{"update", 1}});
  const std::string before = folder.metrics();

  // A limit on the size of files fails half-way through a write, as a full disk does.
  rlimit old_limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit = old_limit;
  limit.rlim_cur = before.size() + 5;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_THROW(writer.append({{"update", 2}}), Error);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, old_handler);

  EXPECT_EQ(folder.metrics(), before);
  writer.append({{"update", 2}});
  EXPECT_EQ(folder.metrics(), before + "{\"update\":2}\n");
}

TEST(MetricsWriter, NamesAFolderItCannotWriteTo) {
  try {
    MetricsWriter("/no/such/folder/metrics.jsonl");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("/no/such/folder/metrics.jsonl"));
  }
}

}  // namespace
}  // namespace polymoe
