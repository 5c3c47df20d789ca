#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace polymoe {

/// A record of metrics.jsonl ("train" or "valid") as one line for people, e.g.
/// "update 1,200 | loss 3.214 | nll 2.871 | lr 4.2e-04 | grad 0.81 | 12,345 tokens/s". Other records give "".
std::string log_line(const nlohmann::json& record);

}  // namespace polymoe
