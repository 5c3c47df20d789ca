#pragma once

#include <string>

#include "polymoe/metrics/records.h"

namespace polymoe {

/// A record of a training or a validation as one line for people, e.g.
/// "update 1,200 | loss 3.214 | nll 2.871 | lr 4.20e-04 | grad 0.81 | 12,345 tokens/s". Other records give "".
std::string log_line(const MetricsRecord& record);

}  // namespace polymoe
