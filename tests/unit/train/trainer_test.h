#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/json_text.h"
#include "polymoe/train/trainer.h"
#include "support/thread_communicator.h"
#include "unit/train/training_test.h"

namespace polymoe {

/// Whole trainings, and what they recorded.
class TrainerTest : public TrainingTest {
 protected:
  static TrainSummary train(const RunOptions& options) {
    const std::atomic<bool> stop{false};
    const std::unique_ptr<Communicator> alone = make_self_communicator();
    return Trainer(options, *alone).run(stop);
  }

  // The same on as many threads as the layout has processes, on the CPU: the mailboxes between them take host memory.
  static void train_in_layout(RunOptions options, const ParallelOptions& parallel) {
    options.parallel = parallel;
    options.train.device = DeviceKind::kCpu;
    const std::atomic<bool> stop{false};
    testing::run_ranks(static_cast<int>(parallel.data * parallel.expert * parallel.tensor),
                       [&](Communicator& world) { Trainer(options, world).run(stop); });
  }

  static nlohmann::json records(const RunOptions& options, const std::string& type) {
    nlohmann::json found = nlohmann::json::array();
    std::ifstream file(std::filesystem::path(options.train.output) / "metrics.jsonl");
    for (std::string line; std::getline(file, line);) {
      const nlohmann::json record = parse_json(line);
      if (record.at("type") == type) found.push_back(record);
    }
    return found;
  }

  static std::map<std::int64_t, nlohmann::json> losses(const RunOptions& options) {
    std::map<std::int64_t, nlohmann::json> by_update;
    for (const nlohmann::json& record : records(options, "train")) {
      EXPECT_EQ(by_update.count(record.at("update")), 0u) << "a record stands twice";
      by_update[record.at("update")] = {record.at("loss"), record.at("balance_loss"), record.at("gradient_norm")};
    }
    return by_update;
  }

  // Bit for bit on the CPU. On a GPU the rounding of some updates has gone into the weights.
  static void expect_same(const std::map<std::int64_t, nlohmann::json>& got,
                          const std::map<std::int64_t, nlohmann::json>& expected) {
    ASSERT_EQ(got.size(), expected.size());
    for (const auto& [update, numbers] : expected) {
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        const double number = numbers[i].get<double>();
        EXPECT_NEAR(got.at(update)[i].get<double>(), number, same_tolerance(1e-3) * number) << "update " << update;
      }
    }
  }
};

}  // namespace polymoe
