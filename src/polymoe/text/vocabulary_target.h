#pragma once

#include <filesystem>
#include <vector>

#include "polymoe/text/corpus.h"

namespace polymoe {

/// Looks, before a vocabulary is learned, whether it can be written to `path`: throws Error where it cannot, for a file
/// that is no vocabulary and for one that the corpora are read from. An older vocabulary is a remark.
void check_vocabulary_target(const std::filesystem::path& path, const std::vector<CorpusSpec>& corpora);

}  // namespace polymoe
