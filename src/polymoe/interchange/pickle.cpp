#include "polymoe/interchange/pickle.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/interchange/pickle_machine.h"

namespace polymoe {
namespace {

using Kind = PickleValue::Kind;

constexpr std::array<std::pair<std::string_view, Dtype>, 8> kStorages{{{"torch DoubleStorage", Dtype::kF64},
                                                                       {"torch FloatStorage", Dtype::kF32},
                                                                       {"torch HalfStorage", Dtype::kF16},
                                                                       {"torch BFloat16Storage", Dtype::kBF16},
                                                                       {"torch LongStorage", Dtype::kI64},
                                                                       {"torch IntStorage", Dtype::kI32},
                                                                       {"torch ByteStorage", Dtype::kU8},
                                                                       {"torch BoolStorage", Dtype::kBool}}};

[[noreturn]] void bad(const std::string& what, const std::filesystem::path& path) {
  throw Error("not a pickle of tensors: " + what, {path, 0}, "is it a PyTorch checkpoint?");
}

std::vector<std::int64_t> numbers(const PickleMachine& pickle, std::size_t tuple, const std::string& name,
                                  const std::filesystem::path& path) {
  std::vector<std::int64_t> result;
  for (const std::size_t item : pickle.at(tuple).items) {
    const PickleValue& value = pickle.at(item);
    if (value.kind != Kind::kNumber || value.number < 0) bad("the shape of " + in_quotes(name) + " is none", path);
    result.push_back(value.number);
  }
  return result;
}

// Whether the tensor's elements are all in its storage, and are no more than it has.
bool fits(const PickledTensor& tensor) {
  if (tensor.offset < 0 || tensor.storage_elements < 0) return false;
  std::int64_t last = tensor.offset, elements = 1;
  const bool empty = std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end();
  if (empty) return tensor.offset <= tensor.storage_elements;
  for (std::size_t dim = 0; dim < tensor.shape.size(); ++dim) {
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(tensor.shape[dim] - 1, tensor.strides[dim], &reach)) return false;
    if (__builtin_add_overflow(last, reach, &last)) return false;
    if (__builtin_mul_overflow(elements, tensor.shape[dim], &elements)) return false;
  }
  return last < tensor.storage_elements && elements <= tensor.storage_elements;
}

PickledTensor tensor_of(const PickleMachine& pickle, const PickleValue& value, const std::string& name,
                        const std::filesystem::path& path) {
  const std::vector<std::size_t>& storage = pickle.at(value.items[0]).items;  // as PickleMachine made sure
  PickledTensor tensor;
  const std::string_view type = pickle.at(storage[1]).text;
  const auto known = std::find_if(kStorages.begin(), kStorages.end(), [&](const auto& s) { return s.first == type; });
  if (known == kStorages.end()) bad(fmt::format("{} is of the type {}", in_quotes(name), in_quotes(type)), path);
  tensor.dtype = known->second;
  tensor.storage = pickle.at(storage[2]).text;
  tensor.storage_elements = pickle.at(storage[4]).number;
  tensor.offset = pickle.at(value.items[1]).number;
  if (storage.size() > 5 && pickle.at(storage[5]).kind != Kind::kNone)
    bad(in_quotes(name) + " is a view of a view", path);
  tensor.shape = numbers(pickle, value.items[2], name, path);
  tensor.strides = numbers(pickle, value.items[3], name, path);
  if (tensor.shape.size() != tensor.strides.size() || tensor.shape.size() > 8 || !fits(tensor)) {
    bad(in_quotes(name) + " does not fit its storage", path);
  }
  return tensor;
}

}  // namespace

std::map<std::string, PickledTensor> read_state_dict(std::string_view& bytes, const std::filesystem::path& path,
                                                     std::vector<std::string>& others) {
  const PickleMachine pickle(bytes, path);
  if (pickle.result().kind != Kind::kDictionary) bad("no dictionary", path);
  const std::vector<std::size_t>& items = pickle.result().items;
  std::map<std::string, PickledTensor> tensors;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (pickle.at(items[i]).kind != Kind::kText) bad("a name that is no text", path);
    const std::string name(pickle.at(items[i]).text);
    const PickleValue& value = pickle.at(items[i + 1]);
    if (value.kind != Kind::kTensor) {
      others.push_back(name);
    } else if (!tensors.emplace(name, tensor_of(pickle, value, name, path)).second) {
      bad("two tensors are named " + in_quotes(name), path);
    }
  }
  return tensors;
}

std::vector<std::string> read_text_list(std::string_view& bytes, const std::filesystem::path& path) {
  const PickleMachine pickle(bytes, path);
  if (pickle.result().kind != Kind::kList) bad("no list of storages", path);
  std::vector<std::string> texts;
  for (const std::size_t item : pickle.result().items) {
    if (pickle.at(item).kind != Kind::kText) bad("the name of a storage is no text", path);
    texts.emplace_back(pickle.at(item).text);
  }
  return texts;
}

std::int64_t read_number(std::string_view& bytes, const std::filesystem::path& path) {
  const PickleMachine pickle(bytes, path);
  if (pickle.result().kind != Kind::kNumber) bad("no number", path);
  return pickle.result().number;
}

void skip_pickle(std::string_view& bytes, const std::filesystem::path& path) {
  const PickleMachine pickle(bytes, path);
}

}  // namespace polymoe
