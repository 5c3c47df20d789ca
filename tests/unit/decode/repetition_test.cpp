#include "polymoe/decode/repetition.h"
#include "polymoe/config/decode_options.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

using Ids = std::vector<std::int32_t>;

TEST(Repetition, NamesWhatCompletesAKnownNgram) {
  const auto completes = [](const Ids& ids, std::int64_t n) {
    const Ids source{1, 2, 3};
    return completes_known_ngram({&ids, &source}, n);
  };
  const Ids ids{4, 5, 6, 4, 5, 9, 4, 5};
  EXPECT_EQ(completes(ids, 3), (Ids{6, 9}));
  EXPECT_EQ(completes(ids, 2), (Ids{6, 9}));
  EXPECT_EQ(completes(ids, 1), (Ids{4, 5, 6, 9}));
  EXPECT_EQ(completes(ids, 4), (Ids{}));
  EXPECT_EQ(completes({7, 7, 7}, 3), (Ids{7}));
  EXPECT_EQ(completes({7, 7}, 3), (Ids{}));
  EXPECT_EQ(completes({}, 1), (Ids{}));
}

TEST(Repetition, OfTheSourceIsNotHeldBack) {
  const Ids ids{4, 5, 6, 4, 5, 9, 4, 5}, source{8, 4, 5, 9, 3};
  EXPECT_EQ(completes_known_ngram({&ids, &source}, 3), (Ids{6}));
  EXPECT_EQ(completes_known_ngram({&ids, &source}, 1), (Ids{6}));
}

TEST(Repetition, IsHeldBackInEachRowApart) {
  const at::Tensor given = at::tensor({-1.0f, -2.0f, -3.0f, -1.0f, -2.0f, -3.0f}).view({2, 3}).to(test_device());
  const Ids first{1, 1}, second{0}, source{2};
  const std::vector<SearchRow> rows{{&first, &source}, {&second, &source}};
  DecodeOptions options;
  options.no_repeat_ngram = 0;
  at::Tensor log_probabilities = given.clone();
  hold_back_repetition(log_probabilities, rows, options);
  EXPECT_TRUE(log_probabilities.equal(given));
  options.repetition_penalty = 2.0;
  hold_back_repetition(log_probabilities, rows, options);
  EXPECT_TRUE(
      log_probabilities.to(at::kCPU).equal(at::tensor({-1.0f, -4.0f, -3.0f, -2.0f, -2.0f, -3.0f}).view({2, 3})));
  options.no_repeat_ngram = 1;
  hold_back_repetition(log_probabilities, rows, options);
  const at::Tensor impossible = log_probabilities.to(at::kCPU).isinf();
  EXPECT_TRUE(impossible.equal(at::tensor({0, 1, 0, 1, 0, 0}).view({2, 3}).to(at::kBool)));
}

}  // namespace
}  // namespace polymoe
