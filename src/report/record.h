#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "report/run_metrics.h"

namespace polymoe {

/// A JSON object that a program wrote, with checked access. Numbers that are missing or null are NaN.
class Record {
 public:
  // Keeps the order of keys, which for the configuration is the order of its help.
  using Json = nlohmann::ordered_json;

  /// `object` and `where` must outlive this. Throws Error where it is no object.
  Record(const Json& object, const Where& where, std::string name, const char* remedy)
      : object_(object), where_(where), name_(std::move(name)), remedy_(remedy) {
    if (!object.is_object()) damaged(name_, "an object");
  }

  /// The JSON of a text; discarded where it is none. Throws Error for nesting that would exhaust the stack.
  static Json parse(std::string_view text, const Where& where, const char* remedy) {
    constexpr int kMaxDepth = 100;  // records need less than ten levels
    bool too_deep = false;
    const auto watch_depth = [&](int depth, Json::parse_event_t, const Json&) {
      too_deep = too_deep || depth > kMaxDepth;
      return true;
    };
    Json json = Json::parse(text, watch_depth, /*allow_exceptions=*/false);
    if (too_deep) throw Error("JSON nested too deeply", where, remedy);
    return json;
  }

  double number(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return kMissing;
    if (!value->is_number()) damaged(key, "a number or null");
    return value->get<double>();
  }
  std::string text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return "";
    if (!value->is_string()) damaged(key, "a string");
    return value->get<std::string>();
  }
  bool flag(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) damaged(key, "true or false");
    return value->get<bool>();
  }
  std::vector<double> numbers(const char* key) const {
    std::vector<double> numbers;
    for (const Json& value : array(key)) {
      if (!value.is_number() && !value.is_null()) damaged(key, "an array of numbers");
      numbers.push_back(value.is_null() ? kMissing : value.get<double>());
    }
    return numbers;
  }
  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> texts;
    for (const Json& value : array(key)) {
      if (!value.is_string()) damaged(key, "an array of strings");
      texts.push_back(value.get<std::string>());
    }
    return texts;
  }
  /// The objects of an array.
  std::vector<Record> records(const char* key) const {
    std::vector<Record> records;
    for (const Json& value : array(key)) records.emplace_back(value, where_, key, remedy_);
    return records;
  }
  /// The named objects of an object.
  std::vector<std::pair<std::string, Record>> members(const char* key) const {
    std::vector<std::pair<std::string, Record>> members;
    const Json* value = find(key);
    if (value == nullptr) return members;
    if (!value->is_object()) damaged(key, "an object");
    for (const auto& [name, member] : value->items()) members.emplace_back(name, Record(member, where_, name, remedy_));
    return members;
  }
  /// The named arrays of numbers of an object.
  std::vector<std::pair<std::string, std::vector<double>>> number_lists(const char* key) const {
    std::vector<std::pair<std::string, std::vector<double>>> lists;
    const Json* value = find(key);
    if (value == nullptr) return lists;
    const Record members(*value, where_, key, remedy_);
    for (const auto& [name, member] : value->items()) lists.emplace_back(name, members.numbers(name.c_str()));
    return lists;
  }
  const Json& object() const { return object_; }

 private:
  const Json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  const Json& array(const char* key) const {
    static const Json kNone = Json::array();
    const Json* value = find(key);
    if (value == nullptr) return kNone;
    if (!value->is_array()) damaged(key, "an array");
    return *value;
  }
  [[noreturn]] void damaged(const std::string& key, const char* expected) const {
    throw Error(fmt::format("\"{}\" is not {}", key, expected), where_, remedy_);
  }

  const Json& object_;
  const Where& where_;
  std::string name_;
  const char* remedy_;
};

}  // namespace polymoe
