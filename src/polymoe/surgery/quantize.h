#pragma once

#include <cstdint>
#include <filesystem>

#include "polymoe/base/progress.h"

namespace polymoe {

/// What `polymoe quantize` stores matrices in; norms, biases and gates stay in float32.
enum class StoredWeights {
  kBFloat16,  ///< for whatever float32 is for
  kInt8,      ///< values and a scale for each output (Int8Weight): for decoding on a CPU
  kInt4       ///< of experts, pairs of values and a scale for each 32 inputs (Int4Weight); of the others, int8
};

struct QuantizeOptions {
  std::filesystem::path checkpoint;  ///< or run folder, see resolve_checkpoint()
  StoredWeights to = StoredWeights::kInt8;
  std::filesystem::path output;
};

struct QuantizeReport {
  std::uint64_t before = 0;  ///< bytes of the weights
  std::uint64_t after = 0;
};

/// Writes a smaller checkpoint, without optimiser state. A tensor is in memory at a time. Throws Error for a source
/// whose weights are int8 or int4 already, and for int4 where there are no experts.
QuantizeReport quantize_checkpoint(const QuantizeOptions& options, const ProgressSink& progress = {});

}  // namespace polymoe
