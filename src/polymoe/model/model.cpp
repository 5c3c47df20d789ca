#include "polymoe/model/model.h"

#include <utility>

#include "polymoe/nn/moe/router.h"
#include "polymoe/tensor/torch_headers.h"

#include "polymoe/model/encoder_decoder.h"

namespace polymoe {

void DecoderState::select_hypotheses(const at::Tensor& hypotheses) {
  for (LayerCache& layer : layers) layer.self.select_rows(hypotheses);
}

void DecoderState::select_sentences(const at::Tensor& sentences) {
  for (LayerCache& layer : layers) layer.cross.select_rows(sentences);
  if (source_mask.defined()) source_mask = source_mask.index_select(0, sentences);
}

void ModelImpl::set_precision(at::ScalarType precision) {
  const at::NoGradGuard no_grad;
  const std::map<std::string, ParameterSpec> specs = parameter_specs(*this);
  for (auto& item : named_parameters()) {
    if (!specs.at(item.key()).stays_wide()) item.value().set_data(item.value().to(precision));
  }
}

std::vector<std::shared_ptr<Router>> ModelImpl::routers() const {
  std::vector<std::shared_ptr<Router>> routers;
  for (const std::shared_ptr<torch::nn::Module>& module : modules()) {
    if (auto router = std::dynamic_pointer_cast<Router>(module)) routers.push_back(std::move(router));
  }
  return routers;
}

Model make_model(const ModelOptions& options, const Partition& partition) {
  return Model(std::shared_ptr<ModelImpl>(std::make_shared<EncoderDecoderImpl>(options, partition)));
}

ParameterCount count_parameters(const ModelImpl& model) {
  ParameterCount count;
  const MoeOptions& moe = model.options().moe;
  for (const auto& [name, parameter] : parameter_specs(model)) {
    const std::int64_t size = logical_size(parameter.shard);
    count.total += size;
    const bool expert = parameter.role == Role::kExpert;
    count.active += expert ? size / parameter.shard.logical_shape[0] * moe.top_k : size;
  }
  return count;
}

}  // namespace polymoe
