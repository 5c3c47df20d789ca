#include "polymoe/nn/moe/expert_products.h"

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

// Experts with many rows, few, one and none: a thread's scratch serves all of them.
TEST(MoeProducts, OfExpertsOfAnyNumberOfRowsAreTheirProducts) {
  constexpr std::int64_t kInputs = 6, kOutputs = 2048;
  const at::Tensor begin = at::tensor({0, 1100, 1355, 1355, 1356}, at::kLong);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = at::randn({1356, kInputs}).to(type), dy = at::randn({1356, kOutputs}).to(type),
                     weight = at::randn({4, kOutputs, kInputs}).to(type);
    at::Tensor y = at::empty_like(dy), dx = at::empty_like(x), dw = at::empty_like(weight),
               db = at::empty({4, kOutputs}, dy.options());
    multiply_experts(x, weight, {}, begin, {}, y);
    multiply_experts_backward(dy, weight, begin, dx);
    expert_weight_gradients(dy, x, begin, dw, db);
    const auto near = [&](const at::Tensor& a, const at::Tensor& b) {
      return type == at::kFloat ? at::allclose(a, b, 1e-4, 1e-3) : at::allclose(a.to(at::kFloat), b, 1.0 / 128, 0.02);
    };
    const at::Tensor wide_x = x.to(at::kFloat), wide_dy = dy.to(at::kFloat), wide_weight = weight.to(at::kFloat);
    for (std::int64_t e = 0; e < 4; ++e) {
      const std::int64_t first = begin[e].item<std::int64_t>(), last = begin[e + 1].item<std::int64_t>();
      const at::Tensor own_x = wide_x.slice(0, first, last), own_dy = wide_dy.slice(0, first, last);
      EXPECT_TRUE(near(y.slice(0, first, last), at::mm(own_x, wide_weight[e].t())));
      EXPECT_TRUE(near(dx.slice(0, first, last), at::mm(own_dy, wide_weight[e])));
      EXPECT_TRUE(near(dw[e], at::mm(own_dy.t(), own_x)));
      EXPECT_TRUE(near(db[e], own_dy.sum(0)));
    }
  }
}

}  // namespace
}  // namespace polymoe
