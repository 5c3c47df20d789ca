#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "polymoe/interchange/foreign_config.h"

namespace polymoe {

struct ModelOptions;

/// One of our tensors and the foreign ones that it is made of: these have one shape, and lie one behind the other in
/// its first dimension. Both directions follow from that.
struct TensorMap {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<std::string> parts;
  std::vector<std::int64_t> part_shape;
};

/// The maps of all tensors of a model, in the order of ours' layers.
std::vector<TensorMap> tensor_maps(ForeignClass kind, const ModelOptions& model);

/// Names under which files may hold the embedding once more, or instead of the first of them, which the maps name.
const std::vector<std::string>& embedding_names();

/// Names under which files may hold the table of positions, which is computed here.
const std::vector<std::string>& position_names();

}  // namespace polymoe
