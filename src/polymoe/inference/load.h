#pragma once

#include <memory>
#include <string>

#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/inference/decoding_model.h"

namespace polymoe {

/// A checkpoint's model, ready to decode: packed for the CPU (PackedModel) where that is possible, else the modules
/// that are trained. `precision`: auto, float32, bfloat16, float16 or, on the CPU, int8 or int4 (the experts; int8
/// else); `device`: cpu or cuda. Throws Error for others, and where int8 or int4 is not possible. A checkpoint of such
/// weights decodes with them whatever the precision.
std::shared_ptr<DecodingModel> load_decoding_model(const Checkpoint& checkpoint, const std::string& precision,
                                                   const std::string& device);

}  // namespace polymoe
