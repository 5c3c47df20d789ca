#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/config/model_options.h"

namespace polymoe {

/// A layer that has experts.
struct MoeLayerSize {
  std::string name;  ///< e.g. "encoder.layers.1"
  std::int64_t experts = 0;
};

/// The MoE layers of a model, the encoder's first, with the experts of each: model.moe.experts, or those that
/// model.moe.experts-per-layer gives. Layers that the list is too short for have none.
std::vector<MoeLayerSize> moe_layers(const ModelOptions& model);

/// The experts of layer `layer` of a side ("encoder" or "decoder"); 0 in a dense layer.
std::int64_t experts_in_layer(const ModelOptions& model, std::string_view side, std::int64_t layer);

/// The options of that layer: experts are as many as it has.
ModelOptions options_of_layer(const ModelOptions& model, std::string_view side, std::int64_t layer);

/// Sets model.moe.experts and experts-per-layer (empty where all are equal) so that moe_layers() has these numbers, in
/// its order. The number of MoE layers stays.
void set_experts(ModelOptions& model, const std::vector<std::int64_t>& experts);

}  // namespace polymoe
