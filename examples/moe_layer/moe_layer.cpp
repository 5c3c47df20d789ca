// One pass through a Mixture-of-Experts layer and back: what goes in, what comes out, and who did the work.
#include <iostream>

#include <polymoe/moe_layer.h>

int main() {
  polymoe::MoeLayerOptions options;
  options.hidden = 64;
  options.ffn = 128;
  options.experts = 4;
  options.top_k = 2;
  options.record_load = true;
  polymoe::MoeLayer layer(options);
  for (const auto& parameter : layer->named_parameters()) {
    std::cout << parameter.key() << ' ' << parameter.value().sizes() << '\n';
  }

  // 3 sentences of 10 tokens. Tokens that are over the capacity of their experts get zeros, hence the sum.
  const torch::Tensor x = torch::randn({3, 10, options.hidden});
  const torch::Tensor y = x + layer(x);
  (y.square().mean() + 0.01 * layer->balance_loss()).backward();
  std::cout << "output " << y.sizes() << ", balance loss " << layer->balance_loss().item<double>() << '\n';
  for (std::int64_t e = 0; e < options.experts; ++e) {
    const auto expert = static_cast<std::size_t>(e);
    std::cout << "expert " << e << " was chosen by " << layer->load().assigned[expert] << " tokens and took "
              << layer->load().kept[expert] << '\n';
  }
}
