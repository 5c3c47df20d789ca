#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "polymoe/comm/operation.h"

namespace polymoe {

/// World ranks in a few words: "0-3, 8".
std::string list_of_ranks(const std::vector<int>& ranks);

/// Says which operation timed out, among whom, and which members are late or do not answer.
std::string time_out_message(const OperationName& operation, Transport& transport,
                             std::chrono::duration<double> time_out);

}  // namespace polymoe
