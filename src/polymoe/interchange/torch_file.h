#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "polymoe/base/files.h"
#include "polymoe/checkpoint/safetensors.h"

namespace polymoe {

/// A file that torch.save() wrote of a state dictionary ("pytorch_model.bin"), mapped into memory: the zip archive of
/// PyTorch since 1.6, or the sequence of pickles of older ones. Everything the file claims is checked on opening, and
/// nothing in it is run.
class TorchFile {
 public:
  struct Tensor {
    TensorSpec spec;
    std::vector<std::int64_t> strides;  ///< elements
    std::span<const std::byte> bytes;   ///< from its first element to its last; not aligned
  };

  /// Throws Error with the path for a file that is damaged or holds anything but tensors.
  explicit TorchFile(const std::filesystem::path& path);

  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  /// Gives back the memory that a tensor's bytes held while they were read; they may be read again.
  void release(const Tensor& tensor) const { file_.release(tensor.bytes); }
  /// Entries of the dictionary that are no tensors.
  const std::vector<std::string>& others() const { return others_; }

 private:
  void read_archive(const std::filesystem::path& path);
  void read_sequence(const std::filesystem::path& path);

  MappedFile file_;
  std::map<std::string, Tensor> tensors_;
  std::vector<std::string> others_;
};

}  // namespace polymoe
