#include "polymoe/interchange/foreign_weights.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <list>
#include <set>
#include <span>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/dtype.h"
#include "polymoe/interchange/torch_file.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The files of the weights: one, or those that an index lists. By name of a tensor the index tells its file.
struct Listing {
  std::vector<std::string> files;
  std::map<std::string, std::string> files_of;  // empty without an index
};

Listing read_index_of(const fs::path& path) {
  const json index = try_parse_json(read_file(path));
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object() || map->empty()) {
    throw Error("no index of shards: it has no weight_map", {path, 0}, "copy or download it again");
  }
  Listing listing;
  std::set<std::string> files;
  for (const auto& [name, file] : map->items()) {
    const bool plain = file.is_string() && file.get<std::string>().find('/') == std::string::npos && file != "..";
    if (!plain) throw Error("tensor " + in_quotes(name) + " is in no file beside the index", {path, 0});
    listing.files_of.emplace(name, file.get<std::string>());
    files.insert(file.get<std::string>());
  }
  listing.files.assign(files.begin(), files.end());
  return listing;
}

Listing list_files(const fs::path& folder) {
  for (const std::string name : {"model.safetensors", "pytorch_model.bin"}) {
    const fs::path index = folder / (name + ".index.json");
    if (path_exists(index)) return read_index_of(index);
    if (path_exists(folder / name)) return {{name}, {}};
  }
  throw Error("holds no model.safetensors, no pytorch_model.bin, and no index of shards of one", {folder, 0},
              "give the folder of a model as `save_pretrained` writes it");
}

// Read so far, memory of files is given back: a large tensor is not to be there twice.
constexpr std::size_t kBytesAtOnce = std::size_t{1} << 26;

}  // namespace

struct ForeignWeights::State {
  // A tensor in one of the files.
  struct Place {
    std::size_t file = 0;
    std::span<const std::byte> bytes;
    std::vector<std::int64_t> strides;  // empty: row by row
    std::function<void()> release;      // gives back the memory of bytes
  };

  explicit State(const fs::path& path) : folder(path) {
    const Listing listing = list_files(folder);
    files = listing.files;
    for (std::size_t i = 0; i < files.size(); ++i) open_file(i);
    for (const auto& [name, file] : listing.files_of) {
      const auto place = places.find(name);
      if (place == places.end() || files[place->second.file] != file) {
        throw Error(fmt::format("tensor {} is not in it, but by the index", in_quotes(name)), {folder / file, 0},
                    "copy or download the shard again");
      }
    }
  }

  void open_file(std::size_t index) {
    const fs::path path = folder / files[index];
    if (!path_exists(path)) throw Error("the shard is missing", {path, 0}, "copy or download it");
    if (path.extension() == ".safetensors") {
      const SafetensorsFile& file = safetensors.emplace_back(path);
      for (const TensorSpec& spec : file.tensors()) {
        add(index, spec, {index, file.bytes(spec.name), {}, [&file, name = spec.name] { file.release(name); }});
      }
      return;
    }
    const TorchFile& file = torch_files.emplace_back(path);
    for (const auto& entry : file.tensors()) {
      const TorchFile::Tensor& tensor = entry.second;
      add(index, tensor.spec, {index, tensor.bytes, tensor.strides, [&file, &tensor] { file.release(tensor); }});
    }
    if (!file.others().empty()) {
      remark(fmt::format("entries that are no tensors are left out: {}", fmt::join(file.others(), ", ")), {path, 0});
    }
  }

  void add(std::size_t index, const TensorSpec& spec, Place place) {
    if (!places.emplace(spec.name, std::move(place)).second) {
      throw Error(fmt::format("tensor {} is in {} too", in_quotes(spec.name), files[places.at(spec.name).file]),
                  {folder / files[index], 0});
    }
    specs.emplace(spec.name, spec);
  }

  fs::path folder;
  std::vector<std::string> files;
  std::list<SafetensorsFile> safetensors;
  std::list<TorchFile> torch_files;
  std::map<std::string, TensorSpec> specs;
  std::map<std::string, Place> places;
};

ForeignWeights::ForeignWeights(std::unique_ptr<State> state) : state_(std::move(state)) {}
ForeignWeights::~ForeignWeights() = default;
ForeignWeights::ForeignWeights(ForeignWeights&&) noexcept = default;

ForeignWeights ForeignWeights::open(const fs::path& folder) { return ForeignWeights(std::make_unique<State>(folder)); }

const std::map<std::string, TensorSpec>& ForeignWeights::specs() const { return state_->specs; }

fs::path ForeignWeights::file_of(const std::string& name) const {
  return state_->folder / state_->files[state_->places.at(name).file];
}

bool ForeignWeights::same(const std::string& first, const std::string& second) const {
  const TensorSpec &a = state_->specs.at(first), &b = state_->specs.at(second);
  const State::Place &x = state_->places.at(first), &y = state_->places.at(second);
  if (a.shape != b.shape || a.dtype != b.dtype || x.strides != y.strides) return false;
  for (std::size_t begin = 0; begin < x.bytes.size(); begin += kBytesAtOnce) {
    const std::size_t count = std::min(kBytesAtOnce, x.bytes.size() - begin);
    if (std::memcmp(x.bytes.data() + begin, y.bytes.data() + begin, count) != 0) return false;
    x.release();
    y.release();
  }
  return true;
}

at::Tensor ForeignWeights::read(const std::string& name) const {
  const TensorSpec& spec = state_->specs.at(name);
  const State::Place& place = state_->places.at(name);
  const auto elements = static_cast<std::int64_t>(place.bytes.size() / dtype_bytes(spec.dtype));
  // Copied first: the bytes need not be aligned.
  const at::Tensor flat = at::empty({elements}, scalar_type(spec.dtype));
  auto* const to = static_cast<std::byte*>(flat.mutable_data_ptr());
  for (std::size_t begin = 0; begin < place.bytes.size(); begin += kBytesAtOnce) {
    const auto part = place.bytes.subspan(begin, std::min(kBytesAtOnce, place.bytes.size() - begin));
    std::memcpy(to + begin, part.data(), part.size());
    place.release();
  }
  if (place.strides.empty()) return flat.view(spec.shape);
  return at::as_strided(flat, spec.shape, place.strides).contiguous();
}

}  // namespace polymoe
