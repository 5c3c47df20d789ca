// Times forward and backward of the MoE layer, limited and dropless, beside a dense feed-forward block of equal active
// work. All three take turns, so that a drift of the machine's speed hits each alike. Prints one JSON object;
// model_flops counts the matrix products of one of them, forward and backward, those of the gate left out.

#include <algorithm>

#include <torch/csrc/autograd/autograd.h>
#include <nlohmann/json.hpp>

#include "bench/arguments.h"
#include "bench/call_counts.h"
#include "bench/device.h"
#include "polymoe/base/json_text.h"
#include "polymoe/config/model_options.h"
#include "polymoe/nn/feed_forward.h"
#include "polymoe/nn/moe/layer.h"
#include "polymoe/nn/partition.h"
#include "polymoe/tensor/device.h"
#include "polymoe/tensor/tensor_memory.h"
#include "polymoe/tensor/torch_headers.h"

namespace {

using namespace polymoe;

ModelOptions layer_options(const bench::Arguments& arguments, const std::string& capacity) {
  ModelOptions options;
  options.hidden = arguments.number("hidden");
  options.ffn = arguments.number("ffn");
  options.moe.experts = arguments.number("experts");
  options.moe.top_k = arguments.number("top-k");
  options.moe.capacity = from_word<CapacityKind>(capacity);
  return options;
}

// The block that does for every token what top-k experts do.
ModelOptions dense_options(const bench::Arguments& arguments) {
  ModelOptions options = layer_options(arguments, "limited");
  options.ffn *= options.moe.top_k;
  return options;
}

// Gives the weights values and moves them; gates stay in float32, as in training.
template <typename Layer>
void prepare(Layer& layer, const at::Device& device, at::ScalarType type) {
  initialize(*layer, 1);
  for (auto& item : layer->named_parameters()) {
    const bool keep = item.key().find("gate") != std::string::npos;
    item.value().set_data(item.value().detach().to(device, keep ? at::kFloat : type));
  }
}

void clear_gradients(torch::nn::Module& module) {
  for (auto& p : module.parameters()) p.mutable_grad().reset();
}

// One forward and backward: `gradient` at the output, and 0.01 times the balance loss, as the peers' scripts have it.
template <typename Layer>
void pass(Layer& layer, const at::Tensor& x, const at::Tensor& gradient, std::uint64_t update) {
  ForwardContext context;
  context.training = true;
  context.update = update;
  ForwardOutputs outputs;
  context.outputs = &outputs;
  const at::Tensor y = layer(x, context);
  std::vector<at::Tensor> roots{y}, gradients{gradient};
  for (const at::Tensor& loss : outputs.balance_losses) {
    roots.push_back(loss);
    gradients.push_back(at::full_like(loss, 0.01));
  }
  torch::autograd::backward(roots, gradients);
}

template <typename Layer>
double time_once(Layer& layer, const at::Tensor& x, const at::Tensor& gradient, std::uint64_t update) {
  clear_gradients(*layer);
  x.mutable_grad().reset();
  return bench::seconds_on(x.device(), [&] { pass(layer, x, gradient, update); });
}

template <typename Layer>
nlohmann::json calls_of(Layer& layer, const at::Tensor& x, const at::Tensor& gradient) {
  clear_gradients(*layer);
  x.mutable_grad().reset();
  return bench::count_calls(x.device(), [&] { pass(layer, x, gradient, 0); });
}

void measure(int argc, char** argv) {
  map_large_tensors();  // as the program does
  const bench::Arguments arguments(argc, argv,
                                   {{"threads", 1},
                                    {"experts", 8},
                                    {"tokens", 4096},
                                    {"hidden", 512},
                                    {"ffn", 2048},
                                    {"top-k", 1},
                                    {"repeats", 5},
                                    {"warmup", 2}},
                                   bench::device_words());
  at::set_num_threads(static_cast<int>(arguments.number("threads")));
  const std::int64_t tokens = arguments.number("tokens"), hidden = arguments.number("hidden");
  const at::Device device = open_device(arguments.word("device"));
  const at::ScalarType type = parse_precision(arguments.word("precision"));

  const Partition whole;
  FeedForward dense(dense_options(arguments), "dense", whole.model_axis);
  MoeLayer limited(layer_options(arguments, "limited"), "limited", whole);
  MoeLayer dropless(layer_options(arguments, "dropless"), "dropless", whole);
  prepare(dense, device, type);
  prepare(limited, device, type);
  prepare(dropless, device, type);
  const at::Tensor x = at::randn({tokens, hidden}).to(device, type).requires_grad_();
  const at::Tensor gradient = at::randn({tokens, hidden}).to(device, type);

  nlohmann::json seconds{
      {"dense", nlohmann::json::array()}, {"moe", nlohmann::json::array()}, {"moe_dropless", nlohmann::json::array()}};
  double peak = bench::matrix_peak(device, type);  // and after the turns, whose caches it would empty
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
  peak = std::max(peak, bench::matrix_peak(device, type));
  const nlohmann::json shape{{"tokens", tokens},
                             {"hidden", hidden},
                             {"ffn", arguments.number("ffn")},
                             {"experts", arguments.number("experts")},
                             {"top_k", arguments.number("top-k")}};
  // Two products forward, and for each two backward; a multiply-add counts two.
  const double model_flops = 3 * 2 * 2.0 * arguments.real("tokens") * arguments.real("top-k") *
                             arguments.real("hidden") * arguments.real("ffn");
  const nlohmann::json calls{{"dense", calls_of(dense, x, gradient)},
                             {"moe", calls_of(limited, x, gradient)},
                             {"moe_dropless", calls_of(dropless, x, gradient)}};
  fmt::print("{}\n", dump_json(nlohmann::json{{"shape", shape},
                                              {"device", arguments.word("device")},
                                              {"precision", arguments.word("precision")},
                                              {"seconds", seconds},
                                              {"model_flops", model_flops},
                                              {"peak_flops_per_second", peak},
                                              {"calls", calls}}));
}

}  // namespace

int main(int argc, char** argv) { return polymoe::bench::run(measure, argc, argv); }
