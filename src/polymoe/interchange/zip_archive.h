#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>

namespace polymoe {

/// The files of a zip archive, as parts of its bytes. For archives whose files are stored, not compressed, as those
/// that PyTorch writes are: then a file of many gigabytes need not be copied. Zip64 too. Throws Error with `path` for
/// an archive that is damaged, compressed, encrypted, or names a file twice.
std::map<std::string, std::span<const std::byte>> read_zip(std::span<const std::byte> archive,
                                                           const std::filesystem::path& path);

/// Whether the bytes begin as a zip archive does.
bool is_zip(std::span<const std::byte> bytes);

}  // namespace polymoe
