#pragma once

#include <string_view>

namespace polymoe {

/// Whether the normalisation rules of a serialised SentencePiece model can be followed without leaving their tables.
/// SentencePiece follows them unchecked, so a damaged model would make it read memory that is not its own. Bytes that
/// are no such model at all are sound here: SentencePiece refuses them itself.
bool has_sound_normalization(std::string_view model);

}  // namespace polymoe
