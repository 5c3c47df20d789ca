#pragma once

#include <string>

#include "polymoe/data/trained.h"

namespace polymoe::cli {

/// Remarks where the run that wrote the checkpoint did not train it for this.
void remark_untrained(const std::string& model, const std::string& task, const Direction& direction);

}  // namespace polymoe::cli
