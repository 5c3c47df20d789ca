#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/checkpoint/checkpoint.h"

namespace polymoe {

/// The vocabulary of a checkpoint: vocab.model beside or inside its folder. Throws Error when there is none.
std::filesystem::path vocabulary_of(const std::filesystem::path& checkpoint);
/// The same; empty when there is none.
std::optional<std::filesystem::path> find_vocabulary(const std::filesystem::path& checkpoint);

/// What a checkpoint's meta data keep of its vocabulary, the content of a vocab.model: {"vocabulary_crc32": ...}.
nlohmann::json vocabulary_meta(const std::string& vocabulary);
/// Throws Error where the file `vocabulary` is not what the checkpoint's weights were trained with: ids mean nothing in
/// another vocabulary of the same size. The meta data tell, or in checkpoints that lack it vocab.model in the folder or
/// beside it; where there is none, a warning says so.
void check_vocabulary(const Checkpoint& checkpoint, const std::filesystem::path& vocabulary);

}  // namespace polymoe
