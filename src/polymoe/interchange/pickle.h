#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/checkpoint/safetensors.h"

/// Python's pickles, as far as PyTorch writes tensors with them. Nothing in a pickle is run: it is read as data, and
/// whatever is no part of a state dictionary of tensors is refused.
namespace polymoe {

/// A tensor of a pickle: elements of a storage, whose bytes lie elsewhere.
struct PickledTensor {
  std::string storage;  ///< its key
  Dtype dtype = Dtype::kF32;
  std::int64_t storage_elements = 0;
  std::int64_t offset = 0;  ///< elements
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  ///< elements, [dims]
};

/// The tensors of the state dictionary that begins `bytes`, by name; `bytes` goes on behind it. Entries that are no
/// tensors are told in `others`. Throws Error with `path` for what is no such pickle, for tensors that leave their
/// storage, and for one that would call anything but PyTorch's ways to rebuild a tensor.
std::map<std::string, PickledTensor> read_state_dict(std::string_view& bytes, const std::filesystem::path& path,
                                                     std::vector<std::string>& others);

/// A pickle that is a list of texts, or a single number; likewise.
std::vector<std::string> read_text_list(std::string_view& bytes, const std::filesystem::path& path);
std::int64_t read_number(std::string_view& bytes, const std::filesystem::path& path);
/// Passes over a pickle of plain values (numbers, texts, dictionaries).
void skip_pickle(std::string_view& bytes, const std::filesystem::path& path);

}  // namespace polymoe
