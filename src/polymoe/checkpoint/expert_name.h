#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace polymoe {

/// The logical name of a tensor of an expert, in its parts: "encoder.layers.1.feed_forward.moe", 3 and "up_weight" of
/// "encoder.layers.1.feed_forward.moe.experts.3.up_weight". What stands in front ("first_moment/") belongs to the
/// layer.
struct ExpertName {
  std::string layer;
  std::int64_t expert = 0;
  std::string part;

  std::string text() const;
};

/// Nothing for a tensor that is no expert's.
std::optional<ExpertName> parse_expert_name(std::string_view name);

/// The layer of a gate's tensor, as ExpertName has it: its weight, or the state of a router that follows the load. All
/// have a row or an element for each expert. Nothing for other tensors.
std::optional<std::string> layer_of_gate(std::string_view name);

/// The name of the weight of such a layer's gate.
std::string gate_name(std::string_view layer);

}  // namespace polymoe
