#include "polymoe/config/moe_layers.h"

#include <algorithm>

#include <fmt/format.h>

namespace polymoe {

std::vector<MoeLayerSize> moe_layers(const ModelOptions& model) {
  const MoeOptions& moe = model.moe;
  std::vector<MoeLayerSize> layers;
  if (moe.experts == 0) return layers;
  const auto add_side = [&](const char* side, MoeSide own, std::int64_t count) {
    if (moe.side != MoeSide::kBoth && moe.side != own) return;
    for (std::int64_t i = moe.every - 1; i < count; i += moe.every) {
      const std::size_t at = layers.size();
      const std::int64_t listed = at < moe.experts_per_layer.size() ? moe.experts_per_layer[at] : 0;
      layers.push_back({fmt::format("{}.layers.{}", side, i), moe.experts_per_layer.empty() ? moe.experts : listed});
    }
  };
  add_side("encoder", MoeSide::kEncoder, model.encoder_layers);
  add_side("decoder", MoeSide::kDecoder, model.decoder_layers);
  return layers;
}

std::int64_t experts_in_layer(const ModelOptions& model, std::string_view side, std::int64_t layer) {
  const std::string name = fmt::format("{}.layers.{}", side, layer);
  for (const MoeLayerSize& found : moe_layers(model)) {
    if (found.name == name) return found.experts;
  }
  return 0;
}

ModelOptions options_of_layer(const ModelOptions& model, std::string_view side, std::int64_t layer) {
  ModelOptions own = model;
  own.moe.experts = experts_in_layer(model, side, layer);
  return own;
}

void set_experts(ModelOptions& model, const std::vector<std::int64_t>& experts) {
  model.moe.experts = *std::max_element(experts.begin(), experts.end());
  const bool uniform =
      std::all_of(experts.begin(), experts.end(), [&](std::int64_t n) { return n == experts.front(); });
  model.moe.experts_per_layer = uniform ? std::vector<std::int64_t>() : experts;
}

}  // namespace polymoe
