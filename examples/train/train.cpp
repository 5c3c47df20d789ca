// Trains a network with a Mixture-of-Experts layer by LibTorch's own Adam: tokens of eight kinds, each with a linear
// map of its own, which one small feed-forward block cannot hold. Ends with 1 where the loss did not fall by half.
#include <iostream>

#include <torch/nn/modules/linear.h>
#include <torch/optim/adam.h>

#include <polymoe/moe_layer.h>

namespace {

constexpr std::int64_t kKinds = 8, kWidth = 32, kTokens = 512;

struct NetworkImpl : torch::nn::Module {
  NetworkImpl() {
    polymoe::MoeLayerOptions options;
    options.hidden = kWidth;
    options.ffn = kWidth;
    options.experts = kKinds;
    options.router = polymoe::MoeRouter::kSigmoid;
    moe = register_module("moe", polymoe::MoeLayer(options));
    out = register_module("out", torch::nn::Linear(kWidth, kWidth));
  }

  torch::Tensor forward(const torch::Tensor& x) { return out(x + moe(x)); }

  polymoe::MoeLayer moe{nullptr};
  torch::nn::Linear out{nullptr};
};
TORCH_MODULE(Network);

}  // namespace

int main() {
  torch::manual_seed(1);
  const torch::Tensor centres = 3 * torch::randn({kKinds, kWidth}), maps = torch::randn({kKinds, kWidth, kWidth}) / 6;
  Network network;
  torch::optim::Adam adam(network->parameters(), torch::optim::AdamOptions(3e-3));

  double first = 0, last = 0;
  for (int update = 1; update <= 300; ++update) {
    const torch::Tensor kinds = torch::randint(kKinds, {kTokens}, torch::kLong);
    const torch::Tensor x = centres.index_select(0, kinds) + torch::randn({kTokens, kWidth});
    const torch::Tensor wanted = torch::bmm(maps.index_select(0, kinds), x.unsqueeze(2)).squeeze(2);
    const torch::Tensor loss = (network(x) - wanted).square().mean();
    adam.zero_grad();
    (loss + 0.001 * network->moe->router_z_loss()).backward();
    adam.step();
    network->moe->end_update();
    last = loss.item<double>();
    if (update == 1) first = last;
    if (update % 50 == 0) std::cout << "update " << update << ": loss " << last << '\n';
  }
  return last < first / 2 ? 0 : 1;
}
