#include <algorithm>
#include <numeric>
#include <vector>

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
    const at::Tensor value = (at::randn_like(item.value()) * 0.2).to(at::kBFloat16);
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

// Lengths of rows, and heads of 64 elements, which have a kernel for short rows, or of 16.
struct Case {
  const char* name;
  std::vector<std::int32_t> source, target;
  std::int64_t head_width;
};

std::int32_t longest(const std::vector<std::int32_t>& lengths) {
  return *std::max_element(lengths.begin(), lengths.end());
}
std::int64_t tokens(const std::vector<std::int32_t>& lengths) {
  return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

class PackedAttention : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!test_device().is_cuda()) GTEST_SKIP() << "needs a GPU";
    torch::manual_seed(3);
  }

  static ModelOptions options() {
    ModelOptions options;
    options.hidden = 128;
    options.heads = 128 / GetParam().head_width;
    options.attention_dropout = 0.0;
    return options;
  }
  static at::Tensor random(const std::vector<std::int32_t>& lengths) {
    return at::randn({tokens(lengths), 128}).to(at::kBFloat16);
  }
  static Packing packing(const std::vector<std::int32_t>& lengths, const at::Device& device) {
    return make_packing(lengths, longest(lengths), device);
  }
};

TEST_P(PackedAttention, SelfAttentionIsThatOfPaddedRows) {
  const auto& lengths = GetParam().source;
  for (const bool causal : {false, true}) {
    SelfAttention narrow(options(), causal, "a", std::make_shared<ModelAxis>()),
        wide(options(), causal, "a", std::make_shared<ModelAxis>());
    give_parameters(narrow, wide);
    const at::Tensor x = random(lengths), grad = random(lengths);
    const auto run = [&](SelfAttention& module, const at::Device& device, at::ScalarType type) {
      module->zero_grad();
      const at::Tensor in = x.to(device, type).detach().requires_grad_();
      const at::Tensor y = module(in, packing(lengths, device), ForwardContext{});
      torch::autograd::backward({y}, {grad.to(device, type)});
      return std::vector<at::Tensor>{y.detach(), in.grad(), module->named_parameters()["qkv.weight"].grad().clone()};
    };
    EXPECT_TRUE(can_attend_packed(on_device(x), GetParam().head_width));
    const std::vector<at::Tensor> got = run(narrow, test_device(), at::kBFloat16);
    expect_alike(got, run(wide, at::kCPU, at::kFloat));
    if (longest(lengths) > 64 || GetParam().head_width != 64) continue;
    EXPECT_TRUE(at::equal(got[1], run(narrow, test_device(), at::kBFloat16)[1])) << "a sum in no fixed order";
  }
}

TEST_P(PackedAttention, CrossAttentionIsThatOfPaddedRows) {
  const auto &source = GetParam().source, &target = GetParam().target;
  CrossAttention narrow(options(), "a", std::make_shared<ModelAxis>()),
      wide(options(), "a", std::make_shared<ModelAxis>());
  give_parameters(narrow, wide);
  const at::Tensor x = random(target), memory = random(source), grad = random(target);
  EXPECT_TRUE(can_attend_packed(on_device(x), GetParam().head_width));
  const auto run = [&](CrossAttention& module, const at::Device& device, at::ScalarType type) {
    const at::Tensor in = x.to(device, type).detach().requires_grad_();
    const at::Tensor from = memory.to(device, type).detach().requires_grad_();
    const at::Tensor y = module(in, packing(target, device), from, packing(source, device), ForwardContext{});
    torch::autograd::backward({y}, {grad.to(device, type)});
    return std::vector<at::Tensor>{y.detach(), in.grad(), from.grad(), module->named_parameters()["kv.weight"].grad()};
  };
  expect_alike(run(narrow, test_device(), at::kBFloat16), run(wide, at::kCPU, at::kFloat));
}

INSTANTIATE_TEST_SUITE_P(Rows, PackedAttention,
                         ::testing::Values(Case{"NarrowHeads", {5, 9, 1, 7}, {3, 1, 8, 6}, 16},
                                           Case{"Short", {5, 9, 1, 7}, {3, 1, 8, 6}, 64},
                                           Case{"AsLongAsABlockHolds", {64, 1, 33, 16, 17}, {15, 64, 48, 1, 49}, 64},
                                           Case{"Long", {65, 3}, {2, 70}, 64}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace polymoe
