#include "polymoe/inference/packed_block.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <fmt/ranges.h>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/base/error.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/kernels/cpu/decoding.h"
#include "polymoe/nn/activation.h"
#include "polymoe/nn/linear.h"
#include "polymoe/tensor/int4_weight.h"

namespace polymoe {
namespace {

at::Tensor required(const WeightReader& read, const std::string& name) {
  at::Tensor weight = read(name);
  if (!weight.defined()) fail("the model has no tensor '{}'", name);
  return weight;
}

void check_scales(const at::Tensor& scales, const std::string& weight, at::IntArrayRef shape) {
  if (scales.sizes() != shape) {
    fail("the scales of '{}' are {}, not {}", weight, fmt::join(scales.sizes(), "x"), fmt::join(shape, "x"));
  }
  if (!scales.is_floating_point() || !at::isfinite(scales).all().item<bool>()) {
    fail("the scales of '{}' are not all finite numbers", weight);
  }
}

}  // namespace

LinearWeight read_linear(const WeightReader& read, const std::string& weight, const std::string& bias) {
  LinearWeight source;
  source.weight = required(read, weight);
  const std::int64_t outputs = source.weight.size(0);
  if (source.is_int8()) {
    source.scales = required(read, scales_name(weight));
    check_scales(source.scales, weight, {outputs});
  }
  if (source.is_int4()) {
    source.scales = required(read, scales_name(weight));
    check_scales(source.scales, weight, {outputs, int4_groups(source.inputs())});
  }
  if (!bias.empty()) source.bias = required(read, bias);
  if (source.bias.defined() && source.bias.numel() != outputs) {
    fail("'{}' has {} values for {} outputs", bias, source.bias.numel(), outputs);
  }
  return source;
}

PackedNorm::PackedNorm(const WeightReader& read, const std::string& name)
    : weight_(copy_of<float>(required(read, name + ".weight").to(at::kFloat))),
      bias_(copy_of<float>(required(read, name + ".bias").to(at::kFloat))) {}

void PackedNorm::apply(const float* x, std::int64_t rows, float* y) const {
  kernels::layer_norm(x, rows, weight_.size(), weight_.data(), bias_.data(), static_cast<float>(kNormEpsilon), y);
}

// Feed-forward --------------------------------------------------------------------------------------------------------

PackedFeedForward::PackedFeedForward(const WeightReader& read, const std::string& up, const std::string& down,
                                     Activation activation, WeightFormat format)
    : activation_(activation),
      up_(read_linear(read, up + "weight", up + "bias"), format),
      down_(read_linear(read, down + "weight", down + "bias"), format) {}

const float* PackedFeedForward::inner(const float* x, std::int64_t rows, Workspace& workspace) const {
  float* inner = workspace.floats(Workspace::kInner, rows * up_.outputs());
  up_.activate(x, rows, activation_, inner, workspace);
  return inner;
}

void PackedFeedForward::add(const float* x, std::int64_t rows, float* y, Workspace& workspace) const {
  down_.add(inner(x, rows, workspace), rows, y, workspace);
}

void PackedFeedForward::apply(const float* x, std::int64_t rows, float* y, Workspace& workspace) const {
  down_.apply(inner(x, rows, workspace), rows, y, workspace);
}

// Mixture of experts --------------------------------------------------------------------------------------------------

PackedMoe::PackedMoe(const WeightReader& read, const std::string& name, const ModelOptions& options,
                     WeightFormats formats)
    : options_(options.moe), gate_(read_linear(read, name + ".gate.weight", ""), WeightFormat::kFloat32) {
  if (options_.router == RouterKind::kExpertChoice) fail("experts that choose tokens need the whole batch");
  if (options_.router == RouterKind::kSigmoid) {
    const at::Tensor bias = required(read, name + ".gate.bias").to(at::kFloat).contiguous();
    if (bias.numel() != options_.experts) {
      fail("'{}.gate.bias' has {} values for {} experts", name, bias.numel(), options_.experts);
    }
    bias_.assign(bias.const_data_ptr<float>(), bias.const_data_ptr<float>() + bias.numel());
  }
  const Activation activation = options.activation;
  for (std::int64_t e = 0; e < options_.experts; ++e) {
    const std::string expert = fmt::format("{}.experts.{}.", name, e);
    experts_.emplace_back(read, expert + "up_", expert + "down_", activation, formats.experts);
  }
  if (options_.shared_experts > 0) {
    shared_.emplace(read, name + ".shared.up.", name + ".shared.down.", activation, formats.dense);
  }
}

std::int64_t PackedMoe::bytes() const {
  std::int64_t total = gate_.bytes() + (shared_ ? shared_->bytes() : 0);
  for (const PackedFeedForward& expert : experts_) total += expert.bytes();
  return total;
}

// top-k choices of each row, [rows * top_k].
std::vector<PackedMoe::Choice> PackedMoe::choose(const float* x, std::int64_t rows, Workspace& workspace) const {
  const std::int64_t experts = options_.experts, top_k = options_.top_k;
  float* gates = workspace.floats(Workspace::kGates, rows * experts);
  gate_.apply(x, rows, gates, workspace);
  if (options_.router == RouterKind::kSigmoid) {
    for (std::int64_t i = 0; i < rows * experts; ++i) gates[i] = 1.0f / (1.0f + std::exp(-gates[i]));
  } else {
    kernels::softmax(gates, rows, experts);
  }
  std::vector<Choice> choices(static_cast<std::size_t>(rows * top_k));
  std::vector<float> best(static_cast<std::size_t>(top_k)), ranking(static_cast<std::size_t>(experts));
  std::vector<std::int64_t> places(static_cast<std::size_t>(top_k));
  const float none = 0.0f;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* gate = gates + row * experts;
    std::copy_n(gate, experts, ranking.begin());
    for (std::size_t e = 0; e < bias_.size(); ++e) ranking[e] += bias_[e];
    kernels::greatest_sums(ranking.data(), &none, 1, experts, top_k, best.data(), places.data());
    float sum = 0.0f;
    for (const std::int64_t expert : places) sum += gate[expert];
    const bool normalizes = top_k > 1 && options_.normalize_gates;
    const float scale = static_cast<float>(options_.output_scale) / (normalizes ? std::max(sum, 1e-9f) : 1.0f);
    for (std::int64_t k = 0; k < top_k; ++k) {
      const std::int64_t expert = places[static_cast<std::size_t>(k)];
      choices[static_cast<std::size_t>(row * top_k + k)] = {static_cast<std::int32_t>(expert), scale * gate[expert]};
    }
  }
  return choices;
}

void PackedMoe::add(const float* x, std::int64_t rows, float* y, Workspace& workspace) const {
  const std::vector<Choice> choices = choose(x, rows, workspace);
  const std::int64_t hidden = gate_.inputs(), top_k = options_.top_k;
  // Assignments by expert, those of one expert in the order of their rows.
  std::vector<std::size_t> order(choices.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return choices[a].expert < choices[b].expert; });
  const auto row_of = [&](std::size_t assignment) { return static_cast<std::int64_t>(assignment) / top_k; };
  float* outputs = workspace.floats(Workspace::kExpertOutputs, static_cast<std::int64_t>(choices.size()) * hidden);
  std::vector<std::size_t> slot_of(choices.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    const std::int32_t expert = choices[order[begin]].expert;
    while (end < order.size() && choices[order[end]].expert == expert) ++end;
    const auto count = static_cast<std::int64_t>(end - begin);
    float* inputs = workspace.floats(Workspace::kGathered, count * hidden);
    for (std::size_t i = begin; i < end; ++i) {
      std::copy_n(x + row_of(order[i]) * hidden, hidden, inputs + static_cast<std::int64_t>(i - begin) * hidden);
      slot_of[order[i]] = i;
    }
    experts_[static_cast<std::size_t>(expert)].apply(inputs, count, outputs + static_cast<std::int64_t>(begin) * hidden,
                                                     workspace);
  }
  if (shared_) shared_->add(x, rows, y, workspace);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    float* to = y + row_of(i) * hidden;
    const float* from = outputs + static_cast<std::int64_t>(slot_of[i]) * hidden;
    for (std::int64_t c = 0; c < hidden; ++c) to[c] += choices[i].weight * from[c];
  }
}

// Block ---------------------------------------------------------------------------------------------------------------

PackedFeedForwardBlock::PackedFeedForwardBlock(const WeightReader& read, const std::string& name,
                                               const ModelOptions& options, WeightFormats formats)
    : pre_norm_(options.norm == NormOrder::kPre), norm_(read, name + ".norm") {
  if (options.moe.experts > 0) {
    moe_.emplace(read, name + ".moe", options, formats);
  } else {
    ffn_.emplace(read, name + ".ffn.up.", name + ".ffn.down.", options.activation, formats.dense);
  }
}

void PackedFeedForwardBlock::apply(float* x, std::int64_t rows, std::int64_t hidden, Workspace& workspace) const {
  apply_residual(x, rows, hidden, pre_norm_, norm_, workspace, [&](const float* input) {
    if (ffn_) {
      ffn_->add(input, rows, x, workspace);
    } else {
      moe_->add(input, rows, x, workspace);
    }
  });
}

}  // namespace polymoe
