#pragma once

#include <filesystem>

#include "polymoe/metrics.h"

namespace polymoe {

/// What makes BLEU spBLEU: words are the pieces of a SentencePiece model, which is read from a file. Named by the file,
/// without its ending. Throws Error when it is no such model.
CustomTokenizer piece_tokenizer(const std::filesystem::path& model);

}  // namespace polymoe
