#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "polymoe/optim/parameter_store.h"
#include "polymoe/parallel/layout.h"

namespace polymoe {

struct RunOptions;

/// A block of the model, or kOutsideBlocks, as one process of a layout holds it.
struct BlockShape {
  std::string name;
  bool decoder = false;
  std::int64_t experts = 0;          ///< of the whole layer; 0 in a dense one
  std::vector<ParameterUnit> units;  ///< without buffers
};

/// What one process of a layout holds of a model: the modules themselves are asked, made without memory. Processes
/// differ by a row of the vocabulary at most, where the slices do not divide it.
struct ModelShape {
  BlockShape outside;              ///< what lies outside blocks: the embedding, the last norms
  std::vector<BlockShape> blocks;  ///< in the order of forward
  std::int64_t parameters = 0;     ///< of the whole model
  std::int64_t active = 0;         ///< of the whole model, for one token
  std::int64_t local = 0;          ///< of this process, before ZeRO
};

/// `options.model.vocabulary` is set. Throws Error for degrees that the model does not allow (resolve_degrees()).
ModelShape model_shape(const RunOptions& options, const Degrees& degrees);

}  // namespace polymoe
