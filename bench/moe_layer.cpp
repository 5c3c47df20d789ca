// Times forward and backward of the MoE layer, limited and dropless, beside a dense feed-forward block of equal active
// work. All three take turns, so that a drift of the machine's speed hits each alike. Prints one JSON object.

#include <torch/csrc/autograd/autograd.h>
#include <nlohmann/json.hpp>

#include "bench/arguments.h"
#include "nn/feed_forward.h"
#include "nn/moe/layer.h"
#include "nn/tensor_memory.h"
#include "nn/torch_headers.h"

namespace {

using namespace polymoe;

ModelOptions layer_options(const bench::Arguments& arguments, const std::string& capacity) {
  ModelOptions options;
  options.hidden = arguments.number("hidden");
  options.ffn = arguments.number("ffn");
  options.moe.experts = arguments.number("experts");
  options.moe.top_k = arguments.number("top-k");
  options.moe.capacity = capacity;
  return options;
}

void clear_gradients(torch::nn::Module& module) {
  for (auto& p : module.parameters()) p.mutable_grad().reset();
}

// One forward and backward: `gradient` at the output, and 0.01 times the balance loss, as the peers' scripts have it.
template <typename Layer>
double time_once(Layer& layer, const at::Tensor& x, const at::Tensor& gradient, std::uint64_t update) {
  clear_gradients(*layer);
  x.mutable_grad().reset();
  return bench::seconds_of([&] {
    ForwardContext context;
    context.training = true;
    context.update = update;
    const at::Tensor y = layer(x, context);
    std::vector<at::Tensor> roots{y}, gradients{gradient};
    for (const at::Tensor& loss : context.balance_losses) {
      roots.push_back(loss);
      gradients.push_back(at::full_like(loss, 0.01));
    }
    torch::autograd::backward(roots, gradients);
  });
}

}  // namespace

int main(int argc, char** argv) {
  map_large_tensors();  // as the program does
  const bench::Arguments arguments(argc, argv,
                                   {{"threads", 1},
                                    {"experts", 8},
                                    {"tokens", 4096},
                                    {"hidden", 512},
                                    {"ffn", 2048},
                                    {"top-k", 1},
                                    {"repeats", 5},
                                    {"warmup", 2}});
  at::set_num_threads(static_cast<int>(arguments.number("threads")));
  const std::int64_t tokens = arguments.number("tokens"), hidden = arguments.number("hidden");

  const Partition whole;
  FeedForward dense(layer_options(arguments, "limited"), "dense", whole);
  MoeLayer limited(layer_options(arguments, "limited"), "limited", whole);
  MoeLayer dropless(layer_options(arguments, "dropless"), "dropless", whole);
  initialize(*dense, 1);
  initialize(*limited, 1);
  initialize(*dropless, 1);
  const at::Tensor x = at::randn({tokens, hidden}).requires_grad_();
  const at::Tensor gradient = at::randn({tokens, hidden});

  nlohmann::json seconds{
      {"dense", nlohmann::json::array()}, {"moe", nlohmann::json::array()}, {"moe_dropless", nlohmann::json::array()}};
  const std::int64_t warmup = arguments.number("warmup");
  for (std::int64_t i = 0; i < warmup + arguments.number("repeats"); ++i) {
    const auto update = static_cast<std::uint64_t>(i);
    const double dense_seconds = time_once(dense, x, gradient, update);
    const double limited_seconds = time_once(limited, x, gradient, update);
    const double dropless_seconds = time_once(dropless, x, gradient, update);
    if (i < warmup) continue;
    seconds["dense"].push_back(dense_seconds);
    seconds["moe"].push_back(limited_seconds);
    seconds["moe_dropless"].push_back(dropless_seconds);
  }
  const nlohmann::json shape{{"tokens", tokens},
                             {"hidden", hidden},
                             {"ffn", arguments.number("ffn")},
                             {"experts", arguments.number("experts")}};
  fmt::print("{}\n", nlohmann::json{{"shape", shape}, {"seconds", seconds}}.dump());
  return 0;
}
