#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "polymoe/config/model_options.h"
#include "polymoe/nn/attention.h"
#include "polymoe/nn/packed_attention.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "support/difference.h"

namespace polymoe {
namespace {

// Both modules with the same parameters, in their own precisions.
template <typename Module>
void give_parameters(Module& narrow, Module& wide) {
  const at::NoGradGuard no_grad;
  const auto of_wide = wide->named_parameters();
  for (const auto& item : narrow->named_parameters()) {
    const at::Tensor value = (at::randn_like(item.value()) * 0.3).to(at::kBFloat16);
    at::Tensor in_narrow = item.value(), in_wide = of_wide[item.key()];
    in_narrow.set_data(on_device(value));
    in_wide.set_data(value.to(at::kFloat));
  }
}

// Outputs and gradients of the two, one on the tests' device in bfloat16, one on the CPU in float32.
void expect_alike(const std::vector<at::Tensor>& got, const std::vector<at::Tensor>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_LT(relative_difference(got[i], expected[i]), 0.03) << i;
}

ModelOptions options_of_attention() {
  ModelOptions options;
  options.hidden = 64;
  options.heads = 4;
  options.attention_dropout = 0.0;
  return options;
}

const std::vector<std::int32_t> kSource{5, 9, 1, 7}, kTarget{3, 1, 8, 6};

TEST(PackedAttention, SelfAttentionIsThatOfPaddedRows) {
  if (!test_device().is_cuda()) GTEST_SKIP() << "needs a GPU";
  for (const bool causal : {false, true}) {
    torch::manual_seed(3);
    SelfAttention narrow(options_of_attention(), causal, "a", std::make_shared<ModelAxis>()),
        wide(options_of_attention(), causal, "a", std::make_shared<ModelAxis>());
    give_parameters(narrow, wide);
    const at::Tensor x = at::randn({22, 64}).to(at::kBFloat16), grad = at::randn({22, 64}).to(at::kBFloat16);
    const auto run = [&](SelfAttention& module, const at::Device& device, at::ScalarType type) {
      const at::Tensor in = x.to(device, type).detach().requires_grad_();
      const at::Tensor y = module(in, make_packing(kSource, 9, device), ForwardContext{});
      torch::autograd::backward({y}, {grad.to(device, type)});
      return std::vector<at::Tensor>{y.detach(), in.grad(), module->named_parameters()["qkv.weight"].grad()};
    };
    EXPECT_TRUE(can_attend_packed(on_device(x), 16));
    expect_alike(run(narrow, test_device(), at::kBFloat16), run(wide, at::kCPU, at::kFloat));
  }
}

TEST(PackedAttention, CrossAttentionIsThatOfPaddedRows) {
  if (!test_device().is_cuda()) GTEST_SKIP() << "needs a GPU";
  torch::manual_seed(4);
  CrossAttention narrow(options_of_attention(), "a", std::make_shared<ModelAxis>()),
      wide(options_of_attention(), "a", std::make_shared<ModelAxis>());
  give_parameters(narrow, wide);
  EXPECT_TRUE(can_attend_packed(on_device(at::randn({18, 64}).to(at::kBFloat16)), 16));
  const at::Tensor x = at::randn({18, 64}).to(at::kBFloat16), memory = at::randn({22, 64}).to(at::kBFloat16),
                   grad = at::randn({18, 64}).to(at::kBFloat16);
  const auto run = [&](CrossAttention& module, const at::Device& device, at::ScalarType type) {
    const at::Tensor in = x.to(device, type).detach().requires_grad_();
    const at::Tensor from = memory.to(device, type).detach().requires_grad_();
    const at::Tensor y =
        module(in, make_packing(kTarget, 8, device), from, make_packing(kSource, 9, device), ForwardContext{});
    torch::autograd::backward({y}, {grad.to(device, type)});
    return std::vector<at::Tensor>{y.detach(), in.grad(), from.grad(), module->named_parameters()["kv.weight"].grad()};
  };
  expect_alike(run(narrow, test_device(), at::kBFloat16), run(wide, at::kCPU, at::kFloat));
}

}  // namespace
}  // namespace polymoe
