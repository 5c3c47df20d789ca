#pragma once

#include <string>

#include "config/options.h"
#include "data/task.h"

namespace polymoe {

/// Whether a run with these options can have been trained for a task in a direction, as far as the options tell, and
/// the description of its dataset where that is still there. What is not known counts as trained.
bool may_be_trained(const DataOptions& options, const std::string& task, const Direction& direction);

}  // namespace polymoe
