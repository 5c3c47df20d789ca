#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <c10/core/ScalarType.h>

#include "polymoe/comm/communicator.h"

namespace polymoe {

/// output [count] = the sum or maximum of `parts` ([count] each), taken in their order; bfloat16 and float16 accumulate
/// in float32. A NaN anywhere gives NaN. `output` may be one of the parts. Takes the types that Communicator reduces.
void reduce_parts(const std::vector<const std::byte*>& parts, std::byte* output, std::int64_t count,
                  c10::ScalarType type, ReduceOp op);

}  // namespace polymoe
