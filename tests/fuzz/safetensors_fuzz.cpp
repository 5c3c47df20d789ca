// Any bytes as a safetensors file: a clear error, or tensors whose bytes all lie within the file and that a new
// layout brings to disk unchanged.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>

#include <unistd.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/checkpoint/safetensors.h"

namespace {

namespace fs = std::filesystem;
using polymoe::SafetensorsFile;

const fs::path& scratch_folder() {
  static const fs::path folder = [] {
    fs::path path = fs::temp_directory_path() / ("polymoe-safetensors-fuzz-" + std::to_string(getpid()));
    fs::create_directories(path);
    return path;
  }();
  return folder;
}

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

void check(const SafetensorsFile& file, const fs::path& copy) {
  const polymoe::SafetensorsLayout layout = polymoe::lay_out_safetensors(file.tensors(), file.metadata());
  std::string content = layout.header;
  for (const polymoe::TensorSpec& spec : layout.tensors) {
    const std::span<const std::byte> bytes = file.bytes(spec.name);
    content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  if (content.size() != layout.file_bytes) std::abort();
  polymoe::write_file(copy, content);
  const SafetensorsFile again(copy);
  if (again.metadata() != file.metadata() || again.tensors().size() != file.tensors().size()) std::abort();
  for (const polymoe::TensorSpec& spec : file.tensors()) {
    const polymoe::TensorSpec* found = again.find(spec.name);
    if (found == nullptr || !(*found == spec) || !same_bytes(again.bytes(spec.name), file.bytes(spec.name)))
      std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fs::path path = scratch_folder() / "input";
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  std::optional<SafetensorsFile> file;
  try {
    file.emplace(path);
  } catch (const polymoe::Error&) {
    return 0;
  }
  check(*file, scratch_folder() / "copy");
  return 0;
}
