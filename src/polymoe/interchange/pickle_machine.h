#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace polymoe {

/// The values that a pickle is made of. Those in a PickleMachine's arena refer to each other by their places in it, so
/// that no nesting, however deep, costs more than memory.
struct PickleValue {
  enum class Kind { kNone, kBool, kNumber, kText, kTuple, kList, kDictionary, kGlobal, kStorage, kTensor, kOther };
  Kind kind = Kind::kNone;
  std::int64_t number = 0;
  std::string_view text;  ///< of kText; of kGlobal: "module name"
  std::vector<std::size_t>
      items;  ///< of tuples and lists; of dictionaries: key, value, key, value; of others: arguments
};

/// Runs the instructions of one pickle, as pickletools describes them, over data alone: what would call a function
/// becomes a value that says which and with what, and only those of a fixed list are accepted.
class PickleMachine {
 public:
  /// Reads from `bytes`, which goes on behind the pickle. The values refer to it. Throws Error, with `path`.
  PickleMachine(std::string_view& bytes, const std::filesystem::path& path);

  const PickleValue& result() const { return at(result_); }
  const PickleValue& at(std::size_t place) const { return arena_[place]; }

 private:
  using Kind = PickleValue::Kind;

  bool step();  // false at the end of the pickle
  bool step_constant(unsigned char code);
  bool step_container(unsigned char code);
  bool step_memory(unsigned char code);
  void call();
  void build();

  std::string_view take(std::uint64_t size);
  std::string_view take_line();
  std::uint64_t take_unsigned(std::size_t bytes);
  std::int64_t take_long(std::size_t bytes);

  std::size_t add(Kind kind, std::vector<std::size_t> items = {});
  void push(Kind kind, std::vector<std::size_t> items = {});
  void push_number(std::int64_t number, Kind kind = Kind::kNumber);
  void push_text(std::string_view text, Kind kind = Kind::kText);
  void push_global(std::string_view module, std::string_view name);
  std::size_t pop();
  std::size_t top() const;
  std::vector<std::size_t> pop_to_mark();
  void remember(std::uint64_t key);
  void recall(std::uint64_t key);
  [[noreturn]] void bad(const std::string& what) const;

  std::string_view& rest_;
  const std::filesystem::path& path_;
  std::vector<PickleValue> arena_;
  std::deque<std::string> names_;  // of globals, which come in two texts
  std::vector<std::size_t> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, std::size_t> memory_;
  std::size_t result_ = 0;
};

}  // namespace polymoe
