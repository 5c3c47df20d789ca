#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/surgery/source.h"

/// What must agree in checkpoints that become one. All throw Error that names what differs, and where.
namespace polymoe {

/// Whether layers may differ in their number of experts.
enum class ExpertCounts { kSame, kAnyNumber };

/// The tensors of a group: the first, by name, that some lack or that has another shape is named. With
/// ExpertCounts::kAnyNumber those of experts need the same shapes alone, and gates the same width.
void check_same_tensors(const std::vector<Source>& sources, std::string_view group, ExpertCounts experts);

/// The options that a trained model's meaning hangs on: all of model and model.moe but presets, dropout, capacity,
/// noise and the weights of losses, which are training's affair.
void check_same_model(const std::vector<Source>& sources, ExpertCounts experts);

/// The vocabularies, byte for byte; those that are known. Returns it; nothing where no source has one.
std::optional<std::string> common_vocabulary(const std::vector<Source>& sources);

}  // namespace polymoe
