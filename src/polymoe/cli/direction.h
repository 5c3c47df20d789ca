#pragma once

#include <string>

#include "polymoe/decode/translator.h"

namespace polymoe::cli {

/// The direction by the vocabulary's own names of its languages. Throws Error for an unknown one.
Direction direction_named(const std::string& source, const std::string& target, const Vocabulary& vocabulary);

/// Remarks where the run that wrote the checkpoint `model` did not train it for this.
void remark_untrained(const Translator& translator, const std::string& model, const std::string& task,
                      const Direction& direction);

}  // namespace polymoe::cli
