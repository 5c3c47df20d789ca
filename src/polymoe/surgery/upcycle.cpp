#include "polymoe/surgery/upcycle.h"

#include <array>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/random.h"
#include "polymoe/checkpoint/expert_name.h"
#include "polymoe/config/moe_layers.h"
#include "polymoe/config/validate.h"
#include "polymoe/kernels/cpu/dropout.h"
#include "polymoe/nn/parameter_module.h"
#include "polymoe/surgery/result.h"
#include "polymoe/surgery/source.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

constexpr const char* kModelWeights = "model";

// The tensors of a dense block and what experts call theirs.
struct BlockTensor {
  const char* dense;
  const char* expert;
  bool scaled;
};
constexpr std::array<BlockTensor, 4> kBlock{{{"up.weight", "up_weight", false},
                                             {"up.bias", "up_bias", false},
                                             {"down.weight", "down_weight", true},
                                             {"down.bias", "down_bias", true}}};

at::Tensor multiply_by_noise(const at::Tensor& values, const std::string& name, const UpcycleOptions& options) {
  if (options.noise == 0.0) return values;
  at::Tensor factors = at::empty(values.sizes(), at::kFloat);
  const auto noise = static_cast<float>(options.noise);
  kernels::fill_uniform(factors.mutable_data_ptr<float>(), factors.numel(), 0, 1.0f - noise, 1.0f + noise,
                        RandomStream(options.seed, fnv1a(name)).key());
  return factors.mul_(values);
}

void add_experts(SurgeryResult& result, const Checkpoint& dense, const std::string& block,
                 const UpcycleOptions& options, double scale) {
  for (const BlockTensor& tensor : kBlock) {
    const std::string from = fmt::format("{}.ffn.{}", block, tensor.dense);
    for (std::int64_t e = 0; e < options.experts; ++e) {
      const std::string name = ExpertName{block + ".moe", e, tensor.expert}.text();
      result.add(kModelWeights, {name, Dtype::kF32, dense.spec(kModelWeights, from).shape}, [=, &dense, &options] {
        const at::Tensor values = dense.read(kModelWeights, from).to(at::kFloat);
        if (tensor.scaled) values.mul_(scale);
        return multiply_by_noise(values, name, options);
      });
    }
  }
}

void add_gate(SurgeryResult& result, const std::string& block, std::int64_t hidden, const UpcycleOptions& options) {
  const std::string name = gate_name(block + ".moe");
  const std::vector<std::int64_t> shape{options.experts, hidden};
  result.add(kModelWeights, {name, Dtype::kF32, shape}, [name, shape, seed = options.seed] {
    at::Tensor gate = at::empty(shape, at::kFloat);
    initialize_parameter(name, gate, {unsharded_spec(shape), Role::kGate}, seed);
    return gate;
  });
}

}  // namespace

double upcycling_scale(std::int64_t experts, std::int64_t top_k, bool normalize_gates) {
  if (top_k > 1 && normalize_gates) return 1.0;
  return static_cast<double>(experts) / static_cast<double>(top_k);
}

void upcycle(const UpcycleOptions& options, const ProgressSink& progress) {
  if (!(options.noise >= 0.0 && options.noise <= 1.0)) fail("a noise of {}; it lies from 0 to 1", options.noise);
  const Source source = Source::open(options.checkpoint);
  RunOptions made = source.options;
  if (made.model.moe.experts > 0)
    throw Error("has experts already", {source.path(), 0}, "upcycling takes dense models");
  made.model.moe.experts = options.experts;
  made.model.moe.every = options.every;
  made.model.moe.side = options.side;
  made.model.moe.top_k = options.top_k;
  // A dense model may name these, but has none of them, and the scale below is that of token choice.
  made.model.moe.shared_experts = 0;
  made.model.moe.router = RouterKind::kTokenChoice;
  made.model.moe.balance_scope = BalanceScope::kMicroBatch;
  made.model.moe.output_scale = 1.0;
  validate(made.model);
  const double scale = upcycling_scale(options.experts, options.top_k, made.model.moe.normalize_gates);

  std::set<std::string> blocks;
  for (const MoeLayerSize& layer : moe_layers(made.model)) blocks.insert(layer.name + ".feed_forward");
  check_output(options.output, {source.path()});
  SurgeryResult result(options.output, progress);
  for (const std::string& name : source.checkpoint.names(kModelWeights)) {
    const std::size_t at = name.find(".ffn.");
    if (at == std::string::npos || blocks.count(name.substr(0, at)) == 0) {
      result.add_copy(kModelWeights, name, source.checkpoint, name);
    }
  }
  for (const std::string& block : blocks) {
    add_gate(result, block, made.model.hidden, options);
    add_experts(result, source.checkpoint, block, options, scale);
  }
  const nlohmann::json origin{{"command", "upcycle"},   {"sources", {source.origin()}}, {"experts", options.experts},
                              {"noise", options.noise}, {"seed", options.seed},         {"scale", scale}};
  result.commit(made, source.vocabulary, {{"origin", origin}});
}

}  // namespace polymoe
