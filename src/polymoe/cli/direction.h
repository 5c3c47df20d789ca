#pragma once

#include <string>

#include "polymoe/data/trained.h"
#include "polymoe/text/vocabulary.h"

namespace polymoe::cli {

/// The direction by the vocabulary's own names of its languages. Throws Error for an unknown one.
Direction direction_named(const std::string& source, const std::string& target, const Vocabulary& vocabulary);

/// Remarks where the run that wrote the checkpoint did not train it for this.
void remark_untrained(const std::string& model, const std::string& task, const Direction& direction);

}  // namespace polymoe::cli
