#pragma once

#include <string>
#include <vector>

#include "polymoe/data/task.h"

namespace polymoe {

struct DataOptions;

/// Those of the directions in which a run with these options can have been trained for a task, as far as the options
/// tell, and the description of its dataset where that is still there. What is not known counts as trained.
std::vector<Direction> trained_directions(const DataOptions& options, const std::string& task,
                                          const std::vector<Direction>& directions);

}  // namespace polymoe
