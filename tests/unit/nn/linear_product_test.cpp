#include "polymoe/nn/linear_product.h"

#include <array>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

struct Layer {
  at::Tensor x, weight, bias, dy;
  at::Tensor y = {};

  Layer(std::int64_t rows, std::int64_t inputs, std::int64_t outputs)
      : x(at::randn({rows, inputs})),
        weight(at::randn({outputs, inputs})),
        bias(at::randn({outputs})),
        dy(at::randn({rows, outputs})) {}
  // The same values without the gradients, and of its rows only the first.
  Layer(const Layer& other, std::int64_t rows)
      : x(other.x.detach().narrow(0, 0, rows).clone()),
        weight(other.weight.detach().clone()),
        bias(other.bias.detach().clone()),
        dy(other.dy.narrow(0, 0, rows)) {}

  template <typename Product>
  void run(const Product& product) {
    for (at::Tensor* leaf : {&x, &weight, &bias}) leaf->requires_grad_();
    y = product(x, weight, bias);
    y.backward(dy);
  }
};

at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return linear_product(x, weight, bias);
}

TEST(LinearProduct, EqualsLibTorchs) {
  for (const auto& [rows, inputs, outputs] :
       std::vector<std::array<std::int64_t, 3>>{{1, 3, 5}, {700, 128, 384}, {1500, 70, 100}, {130, 200, 64}}) {
    Layer ours(rows, inputs, outputs), theirs(ours, rows);
    ours.run(product);
    theirs.run([](const auto& x, const auto& weight, const auto& bias) { return at::linear(x, weight, bias); });
    // Sums of up to 1,500 products of numbers near 1, in float32.
    EXPECT_TRUE(at::allclose(ours.y, theirs.y, 1e-5, 1e-4));
    EXPECT_TRUE(at::allclose(ours.x.grad(), theirs.x.grad(), 1e-5, 1e-4));
    EXPECT_TRUE(at::allclose(ours.weight.grad(), theirs.weight.grad(), 1e-5, 1e-3));
    EXPECT_TRUE(at::allclose(ours.bias.grad(), theirs.bias.grad(), 1e-5, 1e-3));
  }
}

// On a GPU with kernels of its own, ReLU a part of the product.
TEST(LinearProduct, OfADeviceHasTheSameGradientsWithEveryActivation) {
  for (const std::optional<Activation> activation :
       {std::optional<Activation>(), {Activation::kRelu}, {Activation::kGelu}, {Activation::kSwish}}) {
    for (const std::int64_t rows : {1, 70, 1000}) {
      Layer ours(rows, 64, 264), theirs(ours, rows);
      for (at::Tensor* tensor : {&ours.x, &ours.weight, &ours.bias, &ours.dy}) *tensor = on_device(*tensor);
      ours.run([&](const auto& x, const auto& weight, const auto& bias) {
        return linear_product(x, weight, bias, activation);
      });
      theirs.run([&](const auto& x, const auto& weight, const auto& bias) {
        const at::Tensor y = at::linear(x, weight, bias);
        return activation.has_value() ? activate(y, *activation) : y;
      });
      EXPECT_TRUE(close(ours.y, theirs.y, 1e-5, 1e-4));
      EXPECT_TRUE(close(ours.x.grad(), theirs.x.grad(), 1e-5, 1e-4));
      EXPECT_TRUE(close(ours.weight.grad(), theirs.weight.grad(), 1e-5, 1e-3));
      EXPECT_TRUE(close(ours.bias.grad(), theirs.bias.grad(), 1e-5, 1e-3));
    }
  }
}

TEST(LinearProduct, ABiasIsNoMust) {
  const at::Tensor x = at::randn({4, 7}).requires_grad_(), weight = at::randn({9, 7}).requires_grad_();
  const at::Tensor y = linear_product(x, weight, {}), dy = at::randn({4, 9});
  EXPECT_TRUE(at::allclose(y, at::linear(x, weight), 1e-5, 1e-5));
  y.backward(dy);
  EXPECT_TRUE(at::allclose(x.grad(), at::mm(dy, weight), 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(weight.grad(), at::mm(dy.t(), x), 1e-5, 1e-5));
}

TEST(LinearProduct, ARowIsTheSameWhateverElseIsThere) {
  Layer many(900, 128, 200), few(many, 5);
  many.run(product);
  few.run(product);
  EXPECT_TRUE(at::equal(few.y, many.y.narrow(0, 0, 5)));
  EXPECT_TRUE(at::equal(few.x.grad(), many.x.grad().narrow(0, 0, 5)));
}

TEST(LinearProduct, ThreadsChangeNoBit) {
  const int threads = at::get_num_threads();
  Layer one(1200, 70, 200), two(one, 1200);
  at::set_num_threads(1);
  one.run(product);
  at::set_num_threads(3);
  two.run(product);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.y, two.y));
  EXPECT_TRUE(at::equal(one.x.grad(), two.x.grad()));
  EXPECT_TRUE(at::equal(one.weight.grad(), two.weight.grad()));
}

// Sums of float32, rounded once; also of odd sizes, which are LibTorch's, and of no rows.
TEST(LinearProduct, OfBfloat16IsNearThatOfFloat32) {
  for (const auto& [rows, inputs, outputs] : std::vector<std::array<std::int64_t, 3>>{
           {0, 64, 32}, {1, 6, 4}, {701, 128, 384}, {2500, 70, 100}, {9, 35, 17}}) {
    Layer narrow(rows, inputs, outputs);
    for (at::Tensor* tensor : {&narrow.x, &narrow.weight, &narrow.bias, &narrow.dy})
      *tensor = tensor->to(at::kBFloat16);
    Layer wide(narrow, rows);
    for (at::Tensor* tensor : {&wide.x, &wide.weight, &wide.bias, &wide.dy}) *tensor = tensor->to(at::kFloat);
    narrow.run(product);
    wide.run(product);
    const auto near = [](const at::Tensor& a, const at::Tensor& b) {
      return at::allclose(a.to(at::kFloat), b, 1.0 / 128, 1e-2);
    };
    EXPECT_TRUE(near(narrow.y, wide.y));
    EXPECT_TRUE(near(narrow.x.grad(), wide.x.grad()));
    EXPECT_TRUE(near(narrow.weight.grad(), wide.weight.grad()));
    EXPECT_EQ(narrow.weight.grad().scalar_type(), at::kBFloat16);
  }
}

TEST(LinearProduct, RefusesWeightsOfAnotherType) {
  EXPECT_THROW(linear_product(at::randn({4, 6}), at::randn({8, 6}).to(at::kBFloat16), {}), c10::Error);
  EXPECT_THROW(linear_product(at::randn({4, 6}).to(at::kBFloat16), at::randn({8, 6}), {}), c10::Error);
}

TEST(LinearProduct, OtherTypesAreLibTorchs) {
  const at::Tensor x = at::randn({4, 7}, at::kDouble), weight = at::randn({9, 7}, at::kDouble);
  EXPECT_TRUE(at::equal(linear_product(x, weight, {}), at::linear(x, weight)));
}

}  // namespace
}  // namespace polymoe
