// Any bytes as a file of torch.save(): a clear error, or tensors whose elements all lie within the file. Nothing is
// run.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "fuzz/scratch.h"
#include "polymoe/interchange/torch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::filesystem::path path = polymoe::scratch_folder() / "input";
  polymoe::put_file(path, polymoe::text_of(data, size));
  std::optional<polymoe::TorchFile> file;
  if (!polymoe::loads([&] { file.emplace(path); })) return 0;
  std::uint64_t sum = 0;
  for (const auto& [name, tensor] : file->tensors()) {
    polymoe::require(tensor.spec.name == name && tensor.strides.size() == tensor.spec.shape.size());
    std::int64_t last = 0;
    for (std::size_t dim = 0; dim < tensor.strides.size(); ++dim) {
      last += (tensor.spec.shape[dim] - 1) * tensor.strides[dim];
    }
    if (num_elements(tensor.spec) == 0) continue;
    polymoe::require(tensor.bytes.size() == static_cast<std::size_t>(last + 1) * dtype_bytes(tensor.spec.dtype));
    for (const std::byte byte : tensor.bytes) sum += static_cast<std::uint64_t>(byte);
  }
  volatile std::uint64_t read = sum;  // so that every byte is
  static_cast<void>(read);
  return 0;
}
