#include "polymoe/parallel/unit_runner.h"
#include "polymoe/config/model_options.h"
#include "polymoe/config/parallel_options.h"
#include "polymoe/nn/partition.h"

#include <memory>
#include <set>

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "polymoe/nn/moe/layer.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

constexpr std::int64_t kBlockExperts = 8, kBlockTokens = 3, kBlockHidden = 6;

ModelOptions one_block_options() {
  ModelOptions options;
  options.hidden = kBlockHidden;
  options.ffn = 10;
  options.moe.experts = kBlockExperts;
  options.moe.top_k = 1;
  options.moe.capacity = CapacityKind::kDropless;
  return options;
}

// A model of one block, whose parameters are named as those of a whole model.
struct ExpertBlock : MoeLayerImpl, BlockModule {
  using MoeLayerImpl::MoeLayerImpl;
};
struct OneBlock : torch::nn::Module {
  OneBlock() {
    const auto layers = register_module("layers", std::make_shared<torch::nn::Module>());
    const auto block = std::make_shared<ExpertBlock>(one_block_options(), "layers.0", Partition{});
    layers->register_module("0", block);
    layer = MoeLayer(std::shared_ptr<MoeLayerImpl>(block));
  }
  MoeLayer layer{nullptr};
};

std::set<std::int64_t> choices(MoeLayer& layer, const at::Tensor& x) {
  const at::Tensor ids = at::linear(x, layer->named_parameters()["gate.weight"]).argmax(1).cpu();
  return {ids.const_data_ptr<std::int64_t>(), ids.const_data_ptr<std::int64_t>() + ids.numel()};
}

TEST(UnitRunner, RecomputationSendsTokensWhereTheFirstPassDid) {
  OneBlock model;
  initialize(model, 3);
  model.to(test_device());
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  const ParallelLayout layout(ParallelOptions{}, one_block_options(), *alone);
  ParameterStore store(model);
  ParameterSync sync(store, layout);
  UnitRunner runner(/*recompute=*/true, /*inputs_on_host=*/false);
  runner.attach(sync);
  store.zero_gradients();

  torch::manual_seed(1);
  const at::Tensor x = on_device(at::randn({kBlockTokens, kBlockHidden})).requires_grad_();
  const std::set<std::int64_t> first = choices(model.layer, x);
  ForwardContext context;
  context.training = true;
  const at::Tensor y = runner.run("layers.0", x, {}, context,
                                  [&](const at::Tensor& in, const at::Tensor& /*memory*/, const ForwardContext& own) {
                                    return model.layer(in, own);
                                  });
  {
    // Rounding may turn one choice in a million; this turns them all.
    const at::NoGradGuard no_grad;
    model.layer->named_parameters()["gate.weight"].neg_();
  }
  std::set<std::int64_t> both = choices(model.layer, x);
  both.insert(first.begin(), first.end());
  ASSERT_GT(both.size(), first.size()) << "the second pass would choose other experts";
  torch::autograd::backward({y.sum()}, {});
  ParameterStore::collect_gradients(store.units().front());

  const at::Tensor gradients = model.layer->named_parameters()["experts.up_weight"].grad();
  for (std::int64_t e = 0; e < kBlockExperts; ++e) {
    EXPECT_EQ(gradients[e].abs().sum().item<float>() > 0, first.count(e) > 0) << "expert " << e;
  }
}

}  // namespace
}  // namespace polymoe
