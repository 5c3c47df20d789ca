#include "optim/parameter_store.h"

#include <map>

#include "nn/torch_headers.h"

namespace polymoe {
namespace {

// "encoder.layers.3.moe..." -> "encoder.layers.3"; everything outside layers is one unit.
std::string unit_name(const std::string& parameter) {
  const std::string marker = "layers.";
  const std::size_t at = parameter.find(marker);
  if (at == std::string::npos) return "embeddings";
  return parameter.substr(0, parameter.find('.', at + marker.size()));
}

void allocate(ParameterUnit& unit, std::int64_t size) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(unit.parameters.front().parameter.device());
  unit.values = at::zeros({size}, options);
  unit.gradients = at::zeros({size}, options);
  unit.first_moments = at::zeros({size}, options);
  unit.second_moments = at::zeros({size}, options);
}

}  // namespace

at::Tensor view_in(const at::Tensor& buffer, const FlatParameter& parameter) {
  return buffer.narrow(0, parameter.offset, parameter.parameter.numel()).view(parameter.parameter.sizes());
}

ParameterStore::ParameterStore(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  std::map<std::string, std::size_t> places;
  for (auto& item : module.named_parameters()) {
    const bool experts = item.key().find(".experts.") != std::string::npos;
    const std::string name = unit_name(item.key()) + (experts ? ".experts" : "");
    const auto [place, is_new] = places.emplace(name, units_.size());
    if (is_new) {
      ParameterUnit& unit = units_.emplace_back();
      unit.name = name;
      unit.experts = experts;
    }
    units_[place->second].parameters.push_back({item.key(), item.value(), 0});
  }
  for (ParameterUnit& unit : units_) {
    std::int64_t size = 0;
    for (FlatParameter& p : unit.parameters) {
      p.offset = size;
      // Every view starts on a cache line, so that kernels see aligned rows.
      constexpr std::int64_t kAlignment = 16;
      size += (p.parameter.numel() + kAlignment - 1) / kAlignment * kAlignment;
    }
    allocate(unit, size);
    for (FlatParameter& p : unit.parameters) {
      const at::Tensor view = view_in(unit.values, p);
      view.copy_(p.parameter);
      if (p.parameter.scalar_type() == at::kFloat) {
        p.parameter.set_data(view);
        p.parameter.mutable_grad() = view_in(unit.gradients, p);
      }
    }
  }
}

void ParameterStore::zero_gradients() {
  for (ParameterUnit& unit : units_) unit.gradients.zero_();
}

void ParameterStore::collect_gradients() {
  const at::NoGradGuard no_grad;
  for (ParameterUnit& unit : units_) {
    for (FlatParameter& p : unit.parameters) {
      if (p.parameter.scalar_type() == at::kFloat || !p.parameter.grad().defined()) continue;
      view_in(unit.gradients, p).add_(p.parameter.grad());
      p.parameter.mutable_grad().reset();
    }
  }
}

void ParameterStore::publish() {
  const at::NoGradGuard no_grad;
  for (ParameterUnit& unit : units_) {
    for (FlatParameter& p : unit.parameters) {
      if (p.parameter.scalar_type() != at::kFloat) p.parameter.copy_(view_in(unit.values, p));
    }
  }
}

}  // namespace polymoe
