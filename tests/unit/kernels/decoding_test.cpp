#include "polymoe/kernels/cpu/decoding.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"

#include "support/products.h"

namespace polymoe::kernels {
namespace {

// With each kind of vectors that the CPU has.
class DecodingKernels : public ::testing::TestWithParam<Vectors> {
 protected:
  DecodingKernels() { at::manual_seed(3); }
  static const float* data(const at::Tensor& x) { return x.const_data_ptr<float>(); }
  static float* mutable_data(const at::Tensor& x) { return x.mutable_data_ptr<float>(); }
};

INSTANTIATE_TEST_SUITE_P(Vectors, DecodingKernels, ::testing::ValuesIn(all_vectors()));

TEST_P(DecodingKernels, AttentionIsSoftmaxOfScaledProducts) {
  for (const auto& [heads, width, count] : {std::array{4, 16, 7}, {2, 24, 1}, {3, 5, 40}, {1, 64, 33}}) {
    const std::int64_t queries = 3, stride = heads * width + 5;
    const at::Tensor q = at::randn({queries, stride}), k = at::randn({count, heads * width}),
                     v = at::randn({count, heads * width});
    std::vector<const float*> keys, values;
    for (std::int64_t j = 0; j < count; ++j) {
      keys.push_back(data(k) + j * heads * width);
      values.push_back(data(v) + j * heads * width);
    }
    const at::Tensor y = at::empty({queries, heads * width}), scores = at::empty({count});
    attend({data(q), queries, stride}, {keys.data(), values.data(), count}, heads, width, 0.3f, mutable_data(scores),
           mutable_data(y), GetParam());
    const auto by_head = [&](const at::Tensor& x) { return x.reshape({-1, heads, width}).transpose(0, 1); };
    const at::Tensor weights =
        at::softmax(at::matmul(by_head(q.narrow(1, 0, heads * width)), by_head(k).transpose(1, 2)) * 0.3, -1);
    EXPECT_TRUE(at::allclose(at::matmul(weights, by_head(v)).transpose(0, 1).reshape_as(y), y, 1e-5, 1e-6));
    const at::Tensor means = at::empty({queries, count});
    attention_weights({data(q), queries, stride}, {keys.data(), values.data(), count}, heads, width, 0.3f,
                      mutable_data(scores), mutable_data(means), GetParam());
    EXPECT_TRUE(at::allclose(weights.mean(0), means, 1e-5, 1e-6));
  }
}

TEST_P(DecodingKernels, NormsAndSoftmaxes) {
  for (const std::int64_t width : {1, 15, 64, 1001}) {
    const at::Tensor x = at::randn({3, width}) * 5.0 + 2.0, weight = at::randn({width}), bias = at::randn({width});
    at::Tensor y = x.clone();
    layer_norm(data(y), 3, width, data(weight), data(bias), 1e-5f, mutable_data(y), GetParam());
    EXPECT_TRUE(at::allclose(y, at::layer_norm(x, {width}, weight, bias, 1e-5), 1e-4, 1e-5));
    y = x.clone();
    log_softmax(mutable_data(y), width, 1, 3, GetParam());
    EXPECT_TRUE(y[0].equal(x[0]));  // outside the range
    EXPECT_TRUE(at::allclose(y.narrow(0, 1, 2), at::log_softmax(x, 1).narrow(0, 1, 2), 1e-5, 2e-6));
    y = x.clone();
    softmax(mutable_data(y), 3, width, GetParam());
    EXPECT_TRUE(at::allclose(y, at::softmax(x, 1), 1e-5, 1e-7));
  }
}

TEST_P(DecodingKernels, SoftmaxTakesWhatIsFarApart) {
  const at::Tensor x = at::tensor({-1000.0f, 80.0f, 1000.0f, -std::numeric_limits<float>::infinity()});
  softmax(mutable_data(x), 1, 4, GetParam());
  EXPECT_TRUE(x.equal(at::tensor({0.0f, 0.0f, 1.0f, 0.0f})));
}

TEST_P(DecodingKernels, GreatestSumsAreThoseOfASort) {
  for (const std::int64_t width : {5, 130, 3000}) {
    const at::Tensor x = at::randn({4, width}), scores = at::randn({4});
    std::vector<float> best(8);
    std::vector<std::int64_t> places(8);
    greatest_sums(data(x), data(scores), 4, width, 8, best.data(), places.data(), GetParam());
    const auto [expected, at_] = (x + scores.unsqueeze(1)).view(-1).topk(8);
    EXPECT_TRUE(at::tensor(best).equal(expected));
    EXPECT_TRUE(at::tensor(places).equal(at_));
  }
}

TEST_P(DecodingKernels, GreatestSumsTakeTheFirstOfEqualsAndSayWhereThereAreNoMore) {
  const float none = -std::numeric_limits<float>::infinity();
  const std::vector<float> x{1.0f, none, 2.0f, 2.0f, none, 1.0f}, scores{0.0f, 0.0f};
  std::vector<float> best(5);
  std::vector<std::int64_t> places(5);
  greatest_sums(x.data(), scores.data(), 2, 3, 5, best.data(), places.data(), GetParam());
  EXPECT_EQ(best, (std::vector<float>{2.0f, 2.0f, 1.0f, 1.0f, none}));
  EXPECT_EQ(places, (std::vector<std::int64_t>{2, 3, 0, 5, 0}));
}

}  // namespace
}  // namespace polymoe::kernels
