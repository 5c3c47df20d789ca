#include "polymoe/parallel/layout.h"
#include "polymoe/config/model_options.h"
#include "polymoe/config/parallel_options.h"

#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "support/thread_communicator.h"

namespace polymoe {
namespace {

ModelOptions model_of(std::int64_t experts, std::int64_t heads = 8, std::int64_t ffn = 64) {
  ModelOptions model;
  model.heads = heads;
  model.ffn = ffn;
  model.moe.experts = experts;
  return model;
}

std::string message_for(const ParallelOptions& options, const ModelOptions& model, std::int64_t world) {
  try {
    resolve_degrees(options, model, world);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ParallelLayout, ModelIsTheFastestAxisAndDataTheSlowest) {
  testing::run_ranks(8, [](Communicator& world) {
    const ParallelLayout layout({.expert = 2, .tensor = 2}, model_of(4), world);
    EXPECT_EQ(layout.degrees().data, 2);
    const int rank = world.rank();
    EXPECT_EQ(layout.tensor_rank(), rank % 2);
    EXPECT_EQ(layout.expert_rank(), rank / 2 % 2);
    EXPECT_EQ(layout.data_rank(), rank / 4);
    EXPECT_EQ(layout.data_parallel_rank(), rank / 2);
    EXPECT_EQ(layout.data_parallel_size(), 4);
    EXPECT_EQ(layout.tensor_group().rank(), layout.tensor_rank());
    EXPECT_EQ(layout.expert_group().rank(), layout.expert_rank());
    EXPECT_EQ(layout.dense_group().rank(), layout.data_parallel_rank());
    if (rank != 5) return;
    EXPECT_EQ(layout.tensor_group().world_ranks(), (std::vector<int>{4, 5}));
    EXPECT_EQ(layout.expert_group().world_ranks(), (std::vector<int>{5, 7}));
    EXPECT_EQ(layout.dense_group().world_ranks(), (std::vector<int>{1, 3, 5, 7}));
    EXPECT_EQ(layout.expert_data_group().world_ranks(), (std::vector<int>{1, 5}));
  });
}

TEST(ParallelLayout, WholeExpertsAreCopiesAlongTheModelAxisToo) {
  testing::run_ranks(8, [](Communicator& world) {
    const ParallelLayout layout({.expert = 2, .tensor = 2, .expert_slicing = ExpertSlicing::kWhole}, model_of(4),
                                world);
    if (world.rank() != 5) return;
    EXPECT_EQ(layout.expert_data_group().world_ranks(), (std::vector<int>{0, 1, 4, 5}));
  });
}

TEST(ParallelLayout, DegreesThatDoNotFitAreRefusedEachWithItsOwnWords) {
  EXPECT_EQ(message_for({.data = 2, .expert = 2, .tensor = 2}, model_of(4), 8), "");
  EXPECT_NE(message_for({.data = 2, .expert = 2}, model_of(4), 8).find("= 4, but there are 8 processes"),
            std::string::npos);
  EXPECT_NE(message_for({.expert = 3}, model_of(6), 8).find("does not divide the 8 processes"), std::string::npos);
  EXPECT_NE(message_for({.expert = 4}, model_of(6), 8).find("parallel.expert: the model's 6 experts"),
            std::string::npos);
  EXPECT_NE(message_for({.expert = 2}, model_of(0), 2).find("the model has no experts"), std::string::npos);
  EXPECT_NE(message_for({.tensor = 4}, model_of(4, 6), 4).find("attention heads"), std::string::npos);
  EXPECT_NE(message_for({.tensor = 4}, model_of(4, 8, 66), 4).find("columns of the feed-forward block"),
            std::string::npos);
}

}  // namespace
}  // namespace polymoe
