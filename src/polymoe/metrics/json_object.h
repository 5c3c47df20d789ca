#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/metrics/records.h"

namespace polymoe {

/// A JSON object that a program wrote, with checked access. Numbers that are missing or null are NaN.
class JsonObject {
 public:
  // Keeps the order of keys, which for the configuration is the order of its help.
  using Json = nlohmann::ordered_json;

  /// `object` and `where` must outlive this. Throws Error where it is no object.
  JsonObject(const Json& object, const Where& where, std::string name, const char* remedy)
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
  std::vector<JsonObject> objects(const char* key) const {
    std::vector<JsonObject> objects;
    for (const Json& value : array(key)) objects.emplace_back(value, where_, key, remedy_);
    return objects;
  }
  /// The named objects of an object.
  std::vector<std::pair<std::string, JsonObject>> members(const char* key) const {
    std::vector<std::pair<std::string, JsonObject>> members;
    const Json* value = find(key);
    if (value == nullptr) return members;
    if (!value->is_object()) damaged(key, "an object");
    for (const auto& [name, member] : value->items())
      members.emplace_back(name, JsonObject(member, where_, name, remedy_));
    return members;
  }
  /// The named arrays of numbers of an object.
  std::vector<std::pair<std::string, std::vector<double>>> number_lists(const char* key) const {
    std::vector<std::pair<std::string, std::vector<double>>> lists;
    const Json* value = find(key);
    if (value == nullptr) return lists;
    const JsonObject members(*value, where_, key, remedy_);
    for (const auto& [name, member] : value->items()) lists.emplace_back(name, members.numbers(name.c_str()));
    return lists;
  }
  /// The named numbers of an object.
  std::vector<std::pair<std::string, double>> named_numbers(const char* key) const {
    std::vector<std::pair<std::string, double>> numbers;
    const Json* value = find(key);
    if (value == nullptr) return numbers;
    const JsonObject members(*value, where_, key, remedy_);
    for (const auto& [name, member] : value->items()) numbers.emplace_back(name, members.number(name.c_str()));
    return numbers;
  }
  const Json& json() const { return object_; }

  /// Throws Error that names the place and the remedy.
  [[noreturn]] void fail(const std::string& message) const { throw Error(message, where_, remedy_); }

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
    fail(fmt::format("\"{}\" is not {}", key, expected));
  }

  const Json& object_;
  const Where& where_;
  std::string name_;
  const char* remedy_;
};

}  // namespace polymoe
