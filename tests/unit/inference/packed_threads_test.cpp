#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/base/thread_team.h"
#include "polymoe/inference/packed_model.h"
#include "polymoe/parallel/parallel_model.h"
#include "polymoe/tensor/torch_headers.h"
#include "unit/inference/small_options.h"

namespace polymoe {
namespace {

// Greedy, a few tokens.
std::vector<std::int32_t> decode(PackedModel& model, const std::vector<std::int32_t>& source) {
  const auto state = model.start({source}, 1);
  std::vector<std::int32_t> ids{5};
  for (int i = 0; i < 8; ++i) ids.push_back(state->step({ids.back()}).argmax(1).item<std::int32_t>());
  return ids;
}

TEST(PackedModel, ManyThreadsDecodeWithOneModel) {
  ModelOptions options = small_options();
  options.moe.experts = 4;
  options.moe.top_k = 2;
  Model model = make_model(options);
  initialize(*model, 3);
  for (const WeightFormat format : {WeightFormat::kFloat32, WeightFormat::kInt8}) {
    const auto packed = pack_model(*model, format);
    std::vector<std::vector<std::int32_t>> sources, expected;
    for (std::int32_t i = 0; i < 8; ++i) {
      sources.push_back({7, 20 + i, 40 + 2 * i, 2});
      expected.push_back(decode(*packed, sources.back()));
    }
    std::vector<std::vector<std::int32_t>> found(sources.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      threads.emplace_back([&, i] { found[i] = decode(*packed, sources[i]); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(found, expected);
  }
}

// Its vocabulary is so large that a team shares the logits even of one row.
TEST(PackedModel, ATeamFindsTheSame) {
  ModelOptions options = small_options();
  options.vocabulary = 20000;
  Model model = make_model(options);
  initialize(*model, 3);
  for (const WeightFormat format : {WeightFormat::kFloat32, WeightFormat::kInt8}) {
    const auto packed = pack_model(*model, format);
    const auto logits = [&] { return packed->start({{7, 20, 40, 2}}, 1)->step({5}).clone(); };
    const at::Tensor alone = logits();
    ThreadTeam team(3);
    const ThreadTeam::Use use(&team);
    EXPECT_TRUE(logits().equal(alone));
  }
}

}  // namespace
}  // namespace polymoe
