// What the GPU's kernels make of a MoE layer. Elsewhere there is nothing to compare.

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "polymoe/config/model_options.h"
#include "polymoe/nn/moe/grouped_experts.h"
#include "polymoe/nn/moe/layer.h"
#include "polymoe/nn/moe/routing.h"
#include "polymoe/nn/partition.h"
#include "polymoe/tensor/gpu.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "support/difference.h"

namespace polymoe {
namespace {

#define NEEDS_KERNELS() \
  if (!kernels::cuda::kBuilt || !test_device().is_cuda()) GTEST_SKIP() << "needs a GPU and a build with its kernels"

TEST(RoutingOnGpu, IsTheHostsPlan) {
  NEEDS_KERNELS();
  torch::manual_seed(1);
  for (const std::int64_t experts : {1, 8, 64, 300}) {
    for (const std::int64_t top_k : {1, 2}) {
      if (top_k > experts) continue;
      for (const bool random : {false, true}) {
        for (const std::int64_t capacity : {std::int64_t{0}, 3000 * top_k / experts + 1, std::int64_t{1}}) {
          const at::Tensor ids = std::get<1>(at::rand({3000, experts}).pow(3).topk(top_k, 1));
          const ExpertLimit limit{.capacity = capacity, .selection = {random, {1, 2}}};
          const Routing host = make_routing({experts, ids, {}}, limit);
          const Routing gpu = make_routing({experts, on_device(ids), {}}, limit, /*stay_on_gpu=*/true);
          const std::int64_t slots = host.slot_token.size(0);
          EXPECT_EQ(gpu.plan, nullptr);
          EXPECT_TRUE(at::equal(gpu.slot_of.cpu(), host.slot_of)) << experts << " " << top_k << " " << capacity;
          EXPECT_TRUE(at::equal(gpu.slot_token.cpu().narrow(0, 0, slots), host.slot_token));
          EXPECT_TRUE(at::equal(gpu.expert_end.cpu().to(at::kLong), host.expert_begin.slice(0, 1)));
        }
      }
    }
  }
}

struct Pass {
  at::Tensor y;
  std::vector<at::Tensor> gradients;  // of x, then of the parameters
};

Pass pass(MoeLayer& layer, const at::Tensor& x, const at::Tensor& grad) {
  ForwardContext context;
  context.training = true;
  const at::Tensor own = x.detach().requires_grad_();
  Pass result{layer(own, context), {}};
  torch::autograd::backward({result.y}, {grad});
  result.y = result.y.detach().cpu().to(at::kFloat);
  result.gradients.push_back(own.grad().cpu().to(at::kFloat));
  for (const at::Tensor& p : layer->parameters()) {
    result.gradients.push_back(p.grad().defined() ? p.grad().cpu().to(at::kFloat) : at::Tensor());
  }
  return result;
}

// Memory that nobody wrote to is nan: so what is finite has not read slots that are not in use.
class PoisonedMemory {
 public:
  PoisonedMemory() { set(true); }
  ~PoisonedMemory() { set(false); }

 private:
  static void set(bool poisoned) {
    at::globalContext().setDeterministicAlgorithms(poisoned, /*warn_only=*/true);
    at::globalContext().setDeterministicFillUninitializedMemory(poisoned);
  }
};

TEST(GroupedExperts, AreTheExpertsOneByOne) {
  NEEDS_KERNELS();
  const PoisonedMemory poisoned;
  for (const char* activation : {"relu", "gelu", "swish"}) {
    for (const double dropout : {0.0, 0.3}) {
      for (const char* capacity : {"dropless", "limited"}) {
        torch::manual_seed(2);
        ModelOptions options;
        options.hidden = 64;
        options.ffn = 128;
        options.activation = from_word<Activation>(activation);
        options.activation_dropout = dropout;
        options.moe.experts = 5;
        options.moe.capacity = from_word<CapacityKind>(capacity);
        MoeLayer narrow(options, "layer", Partition{}), wide(options, "layer", Partition{});
        const at::NoGradGuard no_grad;
        const auto parameters = narrow->named_parameters(), wide_parameters = wide->named_parameters();
        for (const auto& item : parameters) {
          // One row an expert must not rely on: the fifth expert is hardly ever chosen.
          at::Tensor value = at::randn_like(item.value()) * 0.2;
          if (item.key() == "gate.weight") value[4].fill_(-10.0);
          value = value.to(at::kBFloat16);
          const bool gate = item.key() == "gate.weight";
          at::Tensor in_narrow = item.value(), in_wide = wide_parameters[item.key()];
          in_narrow.set_data(on_device(gate ? value.to(at::kFloat) : value));
          in_wide.set_data(on_device(value.to(at::kFloat)));
        }
        const at::Tensor x = at::rand({301, 64}).to(at::kBFloat16), grad = at::randn({301, 64}).to(at::kBFloat16);
        const auto p = narrow->named_parameters();
        if (!can_group(on_device(x), {p["experts.up_weight"], p["experts.up_bias"], p["experts.down_weight"],
                                      p["experts.down_bias"]})) {
          GTEST_SKIP() << "this GPU has no grouped products";
        }
        const at::AutoGradMode with_gradients(true);
        const Pass got = pass(narrow, on_device(x), on_device(grad));
        const Pass expected = pass(wide, on_device(x.to(at::kFloat)), on_device(grad.to(at::kFloat)));
        // bfloat16 has 8 bits.
        EXPECT_LT(relative_difference(got.y, expected.y), 0.02) << activation << " " << dropout << " " << capacity;
        for (std::size_t i = 0; i < got.gradients.size(); ++i) {
          EXPECT_LT(relative_difference(got.gradients[i], expected.gradients[i]), 0.05)
              << activation << " " << dropout << " " << capacity << " " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace polymoe
