#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "polymoe/base/error.h"
#include "support/temporary_folder.h"

/// What the fuzzers of files share. `scripts/fuzz` puts temporary files into memory: there is one for each input.
namespace polymoe {

/// The folder of this process for inputs and what is made of them.
inline const std::filesystem::path& scratch_folder() {
  static const testing::TemporaryFolder folder;
  return folder.path();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Unlike write_file() without waiting for the disk.
inline void put_file(const std::filesystem::path& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  if (!file.write(content.data(), static_cast<std::streamsize>(content.size())).flush()) std::abort();
}

/// Runs `load` on an input. True: it went through. False: an Error, which is fine, as long as it is one line.
template <typename Load>
bool loads(const Load& load) {
  try {
    load();
    return true;
  } catch (const Error& error) {
    if (std::string_view(error.what()).find_first_of("\r\n") != std::string_view::npos) std::abort();
    return false;
  }
}

inline void require(bool property) {
  if (!property) std::abort();
}

}  // namespace polymoe
