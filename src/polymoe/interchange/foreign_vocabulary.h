#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "polymoe/interchange/foreign_config.h"

namespace polymoe {

/// The bytes of our vocabulary file for the tokenizer beside a foreign model: NLLB's, M2M100's or Marian's. Nothing
/// where the folder has none, with a remark. Throws Error, with the file, for one that is damaged or another model's:
/// with more pieces than the model has rows, or other ids of padding, the end mark and the
/// start.
std::optional<std::string> read_foreign_vocabulary(const std::filesystem::path& folder, const ForeignConfig& config);

/// The tokenizer's files, by name, for the bytes of a vocabulary file with a layout. Their SentencePiece models are
/// those that were imported, byte for byte.
std::map<std::string, std::string> write_foreign_vocabulary(const std::string& vocabulary,
                                                            const std::filesystem::path& path);

/// The ids that a configuration tells of a vocabulary.
ForeignIds foreign_ids(const std::string& vocabulary, const std::filesystem::path& path);

}  // namespace polymoe
