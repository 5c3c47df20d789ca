#include "polymoe/interchange/pickle_machine.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"

namespace polymoe {
namespace {

// The instructions of protocol 2, which PyTorch writes, and of later ones that write the same values. Those that a
// state dictionary has no use for (instances of classes, extensions, buffers) are not here.
enum Code : unsigned char {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersistent = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kGet = 'h',
  kLongGet = 'j',
  kEmptyList = ']',
  kPut = 'q',
  kLongPut = 'r',
  kSetItem = 's',
  kSetItems = 'u',
  kTuple = 't',
  kEmptyTuple = ')',
  kEmptyDict = '}',
  kBinFloat = 'G',
  kProtocol = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kTrue = 0x88,
  kFalse = 0x89,
  kLong1 = 0x8A,
  kShortUnicode = 0x8C,
  kMemoize = 0x94,
  kStackGlobal = 0x93,
  kFrame = 0x95
};

// What a state dictionary may call: what it makes of tensors, and an ordinary dictionary.
constexpr std::array<std::string_view, 4> kRebuilders = {"torch._utils _rebuild_tensor_v2",
                                                         "torch._utils _rebuild_tensor",
                                                         "torch._utils _rebuild_parameter", "collections OrderedDict"};

// Models of a trillion parameters have fewer values; and no argument list that is copied has more.
constexpr std::size_t kMostValues = std::size_t{1} << 22, kMostArguments = 8;

bool is_storage(std::string_view global) { return global.starts_with("torch ") && global.ends_with("Storage"); }

}  // namespace

PickleMachine::PickleMachine(std::string_view& bytes, const std::filesystem::path& path) : rest_(bytes), path_(path) {
  while (step()) {
  }
}

void PickleMachine::bad(const std::string& what) const {
  throw Error("not a pickle of tensors: " + what, {path_, 0}, "nothing of it was run; is it a PyTorch checkpoint?");
}

bool PickleMachine::step() {
  if (arena_.size() + stack_.size() + marks_.size() > kMostValues) bad("it holds too many values");
  const auto code = static_cast<unsigned char>(take(1).front());
  if (code == kStop) {
    result_ = pop();
    return false;
  }
  if (!step_constant(code) && !step_container(code) && !step_memory(code)) {
    bad(fmt::format("an instruction of code {}", code));
  }
  return true;
}

bool PickleMachine::step_constant(unsigned char code) {
  switch (code) {
    case kProtocol:
      if (take_unsigned(1) > 5) bad("a newer protocol");
      return true;
    case kFrame:
      take(8);
      return true;
    case kNone:
      push(Kind::kNone);
      return true;
    case kTrue:
    case kFalse:
      push_number(code == kTrue ? 1 : 0, Kind::kBool);
      return true;
    case kBinInt:
      push_number(static_cast<std::int32_t>(take_unsigned(4)));
      return true;
    case kBinInt1:
      push_number(static_cast<std::int64_t>(take_unsigned(1)));
      return true;
    case kBinInt2:
      push_number(static_cast<std::int64_t>(take_unsigned(2)));
      return true;
    case kLong1:
      push_number(take_long(take_unsigned(1)));
      return true;
    case kBinFloat:
      take(8);
      push(Kind::kOther);
      return true;
    case kBinString:
    case kBinUnicode:
      push_text(take(take_unsigned(4)));
      return true;
    case kShortBinString:
    case kShortUnicode:
      push_text(take(take_unsigned(1)));
      return true;
    case kGlobal: {
      const std::string_view module = take_line();
      push_global(module, take_line());
      return true;
    }
    case kStackGlobal: {
      const std::size_t name = pop(), module = pop();
      if (at(name).kind != Kind::kText || at(module).kind != Kind::kText) bad("a name that is no text");
      push_global(at(module).text, at(name).text);
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::step_container(unsigned char code) {
  switch (code) {
    case kMark:
      marks_.push_back(stack_.size());
      return true;
    case kEmptyTuple:
      push(Kind::kTuple);
      return true;
    case kEmptyList:
      push(Kind::kList);
      return true;
    case kEmptyDict:
      push(Kind::kDictionary);
      return true;
    case kTuple:
      push(Kind::kTuple, pop_to_mark());
      return true;
    case kTuple1:
    case kTuple2:
    case kTuple3: {
      std::vector<std::size_t> items(static_cast<std::size_t>(code - kTuple1) + 1);
      for (auto item = items.rbegin(); item != items.rend(); ++item) *item = pop();
      push(Kind::kTuple, std::move(items));
      return true;
    }
    case kAppend:
    case kAppends: {
      const std::vector<std::size_t> items = code == kAppend ? std::vector{pop()} : pop_to_mark();
      PickleValue& list = arena_[top()];
      if (list.kind != Kind::kList) bad("something is appended to what is no list");
      list.items.insert(list.items.end(), items.begin(), items.end());
      return true;
    }
    case kSetItem:
    case kSetItems: {
      std::vector<std::size_t> items;
      if (code == kSetItems) {
        items = pop_to_mark();
      } else {
        items = {pop(), pop()};
        std::swap(items[0], items[1]);
      }
      PickleValue& dictionary = arena_[top()];
      if (dictionary.kind != Kind::kDictionary || items.size() % 2 != 0) bad("an entry of what is no dictionary");
      dictionary.items.insert(dictionary.items.end(), items.begin(), items.end());
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::step_memory(unsigned char code) {
  switch (code) {
    case kPop:
      pop();
      return true;
    case kPopMark:
      pop_to_mark();
      return true;
    case kDup:
      stack_.push_back(top());
      return true;
    case kPut:
      remember(take_unsigned(1));
      return true;
    case kLongPut:
      remember(take_unsigned(4));
      return true;
    case kMemoize:
      remember(memory_.size());
      return true;
    case kGet:
      recall(take_unsigned(1));
      return true;
    case kLongGet:
      recall(take_unsigned(4));
      return true;
    case kBinPersistent: {  // ("storage", type, key, location, elements), and a view of older files
      const std::size_t id = pop();
      const bool is_short = at(id).items.size() >= 5 && at(id).items.size() <= kMostArguments;
      std::vector<std::size_t> items = is_short ? at(id).items : std::vector<std::size_t>();
      const bool whole = at(id).kind == Kind::kTuple && is_short && at(items[0]).text == "storage" &&
                         at(items[1]).kind == Kind::kGlobal && at(items[2]).kind == Kind::kText &&
                         at(items[4]).kind == Kind::kNumber;
      if (!whole) bad("a reference that is no storage");
      push(Kind::kStorage, std::move(items));
      return true;
    }
    case kReduce:
      call();
      return true;
    case kBuild:
      build();
      return true;
    default:
      return false;
  }
}

void PickleMachine::call() {
  const std::size_t arguments = pop(), function = pop();
  if (at(function).kind != Kind::kGlobal || at(arguments).kind != Kind::kTuple) bad("a call of what is no function");
  const std::string_view name = at(function).text;
  if (std::find(kRebuilders.begin(), kRebuilders.end(), name) == kRebuilders.end()) {
    bad(fmt::format("it asks to run {}", in_quotes(name)));
  }
  if (at(arguments).items.size() > kMostArguments) bad("a call with too many arguments");
  const std::vector<std::size_t> items = at(arguments).items;
  if (name.ends_with("OrderedDict")) {
    if (!items.empty()) bad("a dictionary that is made of something");
    push(Kind::kDictionary);
  } else if (name.ends_with("_rebuild_parameter")) {
    if (items.empty() || at(items[0]).kind != Kind::kTensor) bad("a parameter that is no tensor");
    stack_.push_back(items[0]);
  } else {
    if (items.size() < 4 || at(items[0]).kind != Kind::kStorage || at(items[1]).kind != Kind::kNumber ||
        at(items[2]).kind != Kind::kTuple || at(items[3]).kind != Kind::kTuple) {
      bad("a tensor without storage, offset, shape and strides");
    }
    push(Kind::kTensor, items);
  }
}

// Of what a state dictionary is built with beside its entries (versions of modules) nothing is needed.
void PickleMachine::build() {
  pop();
  if (at(top()).kind != Kind::kDictionary) bad("it asks to build an object");
}

std::string_view PickleMachine::take(std::uint64_t size) {
  if (size > rest_.size()) bad("it is cut short");
  const std::string_view taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

std::string_view PickleMachine::take_line() {
  const std::size_t end = rest_.find('\n');
  if (end == std::string_view::npos) bad("it is cut short");
  const std::string_view line = take(end);
  take(1);
  return line;
}

std::uint64_t PickleMachine::take_unsigned(std::size_t bytes) {
  const std::string_view taken = take(bytes);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= std::uint64_t{static_cast<unsigned char>(taken[i])} << (8 * i);
  return value;
}

// Numbers of more than 8 bytes (PyTorch's magic number) become the lowest number: no size or key is one.
std::int64_t PickleMachine::take_long(std::size_t bytes) {
  if (bytes > 8) {
    take(bytes);
    return std::numeric_limits<std::int64_t>::min();
  }
  std::uint64_t value = take_unsigned(bytes);
  const bool negative = bytes > 0 && bytes < 8 && (value >> (8 * bytes - 1)) != 0;
  if (negative) value |= ~std::uint64_t{0} << (8 * bytes);
  return static_cast<std::int64_t>(value);
}

std::size_t PickleMachine::add(Kind kind, std::vector<std::size_t> items) {
  PickleValue& value = arena_.emplace_back();
  value.kind = kind;
  value.items = std::move(items);
  return arena_.size() - 1;
}

void PickleMachine::push(Kind kind, std::vector<std::size_t> items) { stack_.push_back(add(kind, std::move(items))); }

void PickleMachine::push_number(std::int64_t number, Kind kind) {
  push(kind);
  arena_.back().number = number;
}

void PickleMachine::push_text(std::string_view text, Kind kind) {
  push(kind);
  arena_.back().text = text;
}

void PickleMachine::push_global(std::string_view module, std::string_view name) {
  std::string global = fmt::format("{} {}", module, name);
  const bool known =
      is_storage(global) || std::find(kRebuilders.begin(), kRebuilders.end(), global) != kRebuilders.end();
  if (!known) bad(fmt::format("it asks for {}, which is no part of a tensor", in_quotes(global)));
  names_.push_back(std::move(global));
  push_text(names_.back(), Kind::kGlobal);
}

std::size_t PickleMachine::pop() {
  const std::size_t value = top();
  stack_.pop_back();
  return value;
}

std::size_t PickleMachine::top() const {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) bad("it takes a value that is not there");
  return stack_.back();
}

std::vector<std::size_t> PickleMachine::pop_to_mark() {
  if (marks_.empty()) bad("it takes a value that is not there");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<std::size_t> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleMachine::remember(std::uint64_t key) { memory_[key] = top(); }

void PickleMachine::recall(std::uint64_t key) {
  const auto found = memory_.find(key);
  if (found == memory_.end()) bad("it recalls a value that is not there");
  stack_.push_back(found->second);
}

}  // namespace polymoe
