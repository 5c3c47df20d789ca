#include <vector>

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "polymoe/nn/linear.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

struct Norm {
  at::Tensor y, grad_x, grad_weight, grad_bias;
};

template <typename Function>
Norm run(const Function& norm, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
         const at::Tensor& grad) {
  const at::Tensor own = x.detach().requires_grad_(), w = weight.detach().requires_grad_(),
                   b = bias.detach().requires_grad_();
  const at::Tensor y = norm(own, w, b);
  torch::autograd::backward({y}, {grad});
  return {y.detach().cpu(), own.grad().cpu(), w.grad().cpu(), b.grad().cpu()};
}

TEST(WideLayerNorm, KeepsFloat32ParametersAndGradientsBesideBfloat16) {
  torch::manual_seed(5);
  const at::Tensor x = at::randn({300, 48}).to(at::kBFloat16), grad = at::randn({300, 48}).to(at::kBFloat16);
  // Weights that bfloat16 would round by up to 0.2 %.
  const at::Tensor weight = 1.0 + 0.01 * at::randn({48}), bias = 0.01 * at::randn({48});
  const Norm ours = run(wide_layer_norm, on_device(x), on_device(weight), on_device(bias), on_device(grad));
  const Norm exact = run(
      [](const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) { return at::layer_norm(x, {48}, w, b, 1e-5); },
      x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble), grad.to(at::kDouble));
  EXPECT_EQ(ours.y.scalar_type(), at::kBFloat16);
  EXPECT_EQ(ours.grad_x.scalar_type(), at::kBFloat16);
  // One rounding to 8 bits: half a unit in the last place is 2^-9.
  EXPECT_TRUE(at::allclose(ours.y.to(at::kDouble), exact.y, 1.0 / 256, 1e-6));
  EXPECT_TRUE(at::allclose(ours.grad_x.to(at::kDouble), exact.grad_x, 1.0 / 256, 1e-5));
  // Sums of 300 addends in float32.
  EXPECT_TRUE(at::allclose(ours.grad_weight.to(at::kDouble), exact.grad_weight, 1e-5, 1e-4));
  EXPECT_TRUE(at::allclose(ours.grad_bias.to(at::kDouble), exact.grad_bias, 1e-5, 1e-4));
}

TEST(WideLayerNorm, IsWhatTheMixedKernelOfTheCpuComputes) {
  torch::manual_seed(6);
  const at::Tensor x = at::randn({50, 32}).to(at::kBFloat16), grad = at::randn({50, 32}).to(at::kBFloat16);
  const at::Tensor weight = at::randn({32}), bias = at::randn({32});
  const Norm ours = run(wide_layer_norm, on_device(x), on_device(weight), on_device(bias), on_device(grad));
  const Norm kernel = run(
      [](const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) { return at::layer_norm(x, {32}, w, b, 1e-5); },
      x, weight, bias, grad);
  // Where a value lies between two of bfloat16 the last bit may go either way: 2^-8.
  EXPECT_TRUE(at::allclose(ours.y.to(at::kFloat), kernel.y.to(at::kFloat), 1.0 / 128, 1e-5));
  EXPECT_TRUE(at::allclose(ours.grad_x.to(at::kFloat), kernel.grad_x.to(at::kFloat), 1.0 / 64, 1e-2));
}

TEST(LayerNorm, BesideAResidualTheInputHasBothGradients) {
  torch::manual_seed(7);
  LayerNorm norm = on_device(LayerNorm(48));
  const at::NoGradGuard no_grad;
  norm->weight.copy_(1.0 + 0.1 * at::randn({48}));
  norm->bias.copy_(at::randn({48}));
  const at::AutoGradMode with_gradients(true);
  const at::Tensor values = at::randn({300, 48}), grad = on_device(at::randn({300, 48}));
  const auto gradients = [&](const auto& f) {
    const at::Tensor x = on_device(values).detach().requires_grad_();
    norm->zero_grad();
    torch::autograd::backward({f(x)}, {grad});
    return std::vector<at::Tensor>{x.grad(), norm->weight.grad().clone(), norm->bias.grad().clone()};
  };
  const std::vector<at::Tensor> got = gradients([&](const at::Tensor& x) {
    const auto [normed, kept] = norm->beside_residual(x);
    return kept + 2.0 * normed;
  });
  const std::vector<at::Tensor> expected = gradients([&](const at::Tensor& x) { return x + 2.0 * norm(x); });
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(close(got[i], expected[i], 1e-5, 1e-5)) << i;
}

TEST(WideLayerNorm, GivesNoGradientToAnInputThatNeedsNone) {
  const at::Tensor x = at::randn({4, 8}).to(at::kBFloat16);
  const at::Tensor weight = at::ones({8}).requires_grad_(), bias = at::zeros({8}).requires_grad_();
  torch::autograd::backward({wide_layer_norm(x, weight, bias).sum()}, {});
  EXPECT_TRUE(weight.grad().defined());
  EXPECT_FALSE(x.grad().defined());
}

}  // namespace
}  // namespace polymoe
