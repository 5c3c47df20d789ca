#include "polymoe/interchange/torch_file.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/interchange/pickle.h"
#include "polymoe/interchange/zip_archive.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using Bytes = std::span<const std::byte>;

constexpr std::int64_t kSequenceVersion = 1001;  // of PyTorch's files before 1.6

std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

[[noreturn]] void not_whole(const std::string& what, const fs::path& path) {
  throw Error("not a whole PyTorch file: " + what, {path, 0}, "copy or download it again");
}

// The elements of a tensor in the bytes of its storage.
TorchFile::Tensor place(const std::string& name, PickledTensor tensor, Bytes storage, const fs::path& path) {
  const std::uint64_t width = dtype_bytes(tensor.dtype);
  if (static_cast<std::uint64_t>(tensor.storage_elements) > storage.size() / width) {
    not_whole(fmt::format("the storage of {} has {} bytes", in_quotes(name), storage.size()), path);
  }
  const bool empty = std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end();
  std::uint64_t elements = empty ? 0 : 1;
  for (std::size_t dim = 0; dim < tensor.shape.size() && !empty; ++dim) {
    elements += static_cast<std::uint64_t>((tensor.shape[dim] - 1) * tensor.strides[dim]);
  }
  const Bytes bytes = storage.subspan(static_cast<std::uint64_t>(tensor.offset) * width, elements * width);
  return {{name, tensor.dtype, std::move(tensor.shape)}, std::move(tensor.strides), bytes};
}

}  // namespace

TorchFile::TorchFile(const fs::path& path) : file_(path) {
  if (is_zip(file_.bytes())) {
    read_archive(path);
  } else {
    read_sequence(path);
  }
}

// FOLDER/data.pkl is the dictionary, FOLDER/data/KEY a storage.
void TorchFile::read_archive(const fs::path& path) {
  const std::map<std::string, Bytes> files = read_zip(file_.bytes(), path);
  constexpr std::string_view kPickle = "/data.pkl";
  const auto pickle =
      std::find_if(files.begin(), files.end(), [&](const auto& file) { return file.first.ends_with(kPickle); });
  if (pickle == files.end()) not_whole("it holds no data.pkl", path);
  const std::string folder = pickle->first.substr(0, pickle->first.size() - kPickle.size());
  if (const auto order = files.find(folder + "/byteorder");
      order != files.end() && text_of(order->second) != "little") {
    not_whole("its numbers are big-endian", path);
  }
  std::string_view text = text_of(pickle->second);
  for (auto& [name, tensor] : read_state_dict(text, path, others_)) {
    const auto storage = files.find(fmt::format("{}/data/{}", folder, tensor.storage));
    if (storage == files.end()) not_whole("the storage of " + in_quotes(name) + " is missing", path);
    tensors_.emplace(name, place(name, std::move(tensor), storage->second, path));
  }
}

// Pickles of a magic number, a version, the writer's machine, the dictionary and the keys of the storages; then of each
// key the number of elements and the elements.
void TorchFile::read_sequence(const fs::path& path) {
  std::string_view rest = text_of(file_.bytes());
  read_number(rest, path);
  if (read_number(rest, path) != kSequenceVersion) not_whole("another version of PyTorch's old format", path);
  skip_pickle(rest, path);
  std::map<std::string, PickledTensor> tensors = read_state_dict(rest, path, others_);
  const std::vector<std::string> keys = read_text_list(rest, path);
  std::map<std::string, std::uint64_t, std::less<>> widths;
  for (const auto& [name, tensor] : tensors) widths.emplace(tensor.storage, dtype_bytes(tensor.dtype));
  std::map<std::string, Bytes> storages;
  for (const std::string& key : keys) {
    std::uint64_t elements = 0;
    const auto width = widths.find(key);
    if (width == widths.end()) not_whole("a storage without a tensor", path);
    if (rest.size() < sizeof elements) not_whole("it is cut short", path);
    std::memcpy(&elements, rest.data(), sizeof elements);
    rest.remove_prefix(sizeof elements);
    if (elements > rest.size() / width->second) not_whole("it is cut short", path);
    const std::string_view bytes = rest.substr(0, elements * width->second);
    storages.emplace(key, std::as_bytes(std::span(bytes.data(), bytes.size())));
    rest.remove_prefix(bytes.size());
  }
  for (auto& [name, tensor] : tensors) {
    const auto storage = storages.find(tensor.storage);
    if (storage == storages.end()) not_whole("the storage of " + in_quotes(name) + " is missing", path);
    tensors_.emplace(name, place(name, std::move(tensor), storage->second, path));
  }
}

}  // namespace polymoe
