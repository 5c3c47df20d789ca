#pragma once

#include <optional>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/metrics/records.h"

namespace polymoe {

class JsonObject;

/// A record as a line of metrics.jsonl has it, its "type" too. Numbers that are not finite become null, or
/// are left out where they may be absent.
nlohmann::json to_json(const MetricsRecord& record);

/// The record of such a line. Keys that are missing or null leave what they name missing; keys and types that nobody
/// knows are passed over, which for a type gives nothing. Throws Error for a value of another kind, and where a record
/// with an update lacks it.
std::optional<MetricsRecord> record_of(const JsonObject& line);

}  // namespace polymoe
