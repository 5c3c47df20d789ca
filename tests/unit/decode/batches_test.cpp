#include "polymoe/decode/batches.h"

#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

class EmptyModel : public DecodingModel {
 public:
  explicit EmptyModel(bool thread_safe) : thread_safe_(thread_safe) {}
  std::int64_t max_positions() const override { return 1; }
  std::int64_t vocabulary() const override { return 1; }
  bool is_thread_safe() const override { return thread_safe_; }
  std::unique_ptr<DecodingState> start(const std::vector<std::vector<std::int32_t>>&, std::int64_t) override {
    return nullptr;
  }

 private:
  bool thread_safe_;
};

class Batches : public ::testing::Test {
 protected:
  Batches() { at::set_num_threads(3); }
  ~Batches() override { at::set_num_threads(before_); }

 private:
  int before_ = at::get_num_threads();
};

TEST_F(Batches, EachIsSearchedOnceByAThreadThatComputesAlone) {
  const EmptyModel model(true);
  EXPECT_EQ(batches_at_once(model), 3);
  std::vector<int> searched(40), threads(40);
  search_batches(model, searched.size(), [&](std::size_t i) {
    ++searched[i];
    threads[i] = at::get_num_threads();
  });
  EXPECT_EQ(searched, std::vector<int>(40, 1));
  EXPECT_EQ(threads, std::vector<int>(40, 1));
  EXPECT_EQ(at::get_num_threads(), 3);
}

TEST_F(Batches, ModelsThatThreadsMustNotShareTakeThemInTurn) {
  const EmptyModel model(false);
  EXPECT_EQ(batches_at_once(model), 1);
  std::vector<std::size_t> order;
  search_batches(model, 5, [&](std::size_t i) {
    order.push_back(i);
    EXPECT_EQ(at::get_num_threads(), 3);
  });
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3, 4}));
}

TEST_F(Batches, AnErrorIsThrownAndThreadsAreAsTheyWere) {
  const EmptyModel model(true);
  EXPECT_THROW(search_batches(model, 9,
                              [](std::size_t i) {
                                if (i == 4) throw std::runtime_error("no");
                              }),
               std::runtime_error);
  EXPECT_EQ(at::get_num_threads(), 3);
}

}  // namespace
}  // namespace polymoe
