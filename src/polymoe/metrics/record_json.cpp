#include "polymoe/metrics/record_json.h"

#include <cmath>
#include <cstdint>

#include "polymoe/base/json_text.h"
#include "polymoe/metrics/json_object.h"
#include "polymoe/metrics/schema.h"

namespace polymoe {
namespace {

using nlohmann::json;

class Writer {
 public:
  json object = json::object();

  void number(const char* key, double value) { object[key] = value; }
  void count(const char* key, double value) { object[key] = whole(value); }
  void flag(const char* key, bool value) { object[key] = value; }
  void text(const char* key, const std::string& value) { object[key] = value; }
  void maybe_number(const char* key, double value) {
    if (!std::isnan(value)) number(key, value);
  }
  void maybe_count(const char* key, double value) {
    if (!std::isnan(value)) count(key, value);
  }
  void maybe_text(const char* key, const std::string& value) {
    if (!value.empty()) text(key, value);
  }

  template <typename T>
  void list(const char* key, const std::vector<T>& items) {
    json& array = object[key] = json::array();
    for (const T& item : items) array.push_back(value_of(item));
  }
  template <typename T>
  void table(const char* key, const std::map<std::string, T>& members) {
    json& named = object[key] = json::object();
    for (const auto& [name, member] : members) named[name] = value_of(member);
  }
  void table(const char* key, const std::map<std::string, double>& counts) {
    json& named = object[key] = json::object();
    for (const auto& [name, value] : counts) named[name] = whole(value);
  }
  template <typename T>
  void maybe_table(const char* key, const std::map<std::string, T>& members) {
    if (!members.empty()) table(key, members);
  }
  template <typename T>
  void named(const char* key, const std::vector<T>& items, std::string T::*name) {
    json& members = object[key] = json::object();
    for (const T& item : items) members[item.*name] = value_of(item);
  }
  // "model.moe.experts" stands as "experts" in "model.moe".
  void sections(const char* key, const std::vector<std::pair<std::string, std::string>>& config) {
    json& all = object[key] = json::object();
    for (const auto& [name, value] : config) {
      const std::size_t end = name.rfind('.');
      all[name.substr(0, end)][name.substr(end + 1)] = value;
    }
  }

 private:
  static json whole(double value) { return std::isfinite(value) ? json(static_cast<std::int64_t>(value)) : json(); }

  template <typename T>
  static json value_of(const T& item) {
    if constexpr (std::is_constructible_v<json, T>) {
      return item;
    } else {
      Writer writer;
      visit_fields(item, writer);
      return writer.object;
    }
  }
};

class Reader {
 public:
  explicit Reader(const JsonObject& object) : object_(object) {}

  void number(const char* key, double& value) const { value = object_.number(key); }
  void count(const char* key, double& value) const { value = object_.number(key); }
  void maybe_number(const char* key, double& value) const { value = object_.number(key); }
  void maybe_count(const char* key, double& value) const { value = object_.number(key); }
  void flag(const char* key, bool& value) const { value = object_.flag(key); }
  void text(const char* key, std::string& value) const { value = object_.text(key); }
  void maybe_text(const char* key, std::string& value) const { value = object_.text(key); }

  void list(const char* key, std::vector<std::string>& items) const { items = object_.texts(key); }
  void list(const char* key, std::vector<double>& items) const { items = object_.numbers(key); }
  template <typename T>
  void list(const char* key, std::vector<T>& items) const {
    for (const JsonObject& item : object_.objects(key)) visit_fields(items.emplace_back(), Reader(item));
  }
  void table(const char* key, std::map<std::string, double>& counts) const {
    for (const auto& [name, value] : object_.named_numbers(key)) counts[name] = value;
  }
  template <typename T>
  void table(const char* key, std::map<std::string, T>& members) const {
    for (const auto& [name, member] : object_.members(key)) visit_fields(members[name], Reader(member));
  }
  template <typename T>
  void maybe_table(const char* key, std::map<std::string, T>& members) const {
    table(key, members);
  }
  template <typename T>
  void named(const char* key, std::vector<T>& items, std::string T::*name) const {
    for (const auto& [own, member] : object_.members(key)) {
      items.emplace_back().*name = own;
      visit_fields(items.back(), Reader(member));
    }
  }
  void sections(const char* key, std::vector<std::pair<std::string, std::string>>& config) const {
    object_.members(key);  // checks the sections
    if (object_.json().contains(key)) flatten(object_.json()[key], "", config);
  }

 private:
  static void flatten(const JsonObject::Json& value, const std::string& key,
                      std::vector<std::pair<std::string, std::string>>& config) {
    if (value.is_object()) {
      for (const auto& [name, member] : value.items()) flatten(member, key.empty() ? name : key + "." + name, config);
      return;
    }
    config.emplace_back(key, value.is_array() ? listed(value) : text_of(value));
  }
  static std::string text_of(const JsonObject::Json& value) {
    return value.is_string() ? value.get<std::string>() : dump_json(value);
  }
  static std::string listed(const JsonObject::Json& array) {
    std::string text;
    for (const JsonObject::Json& item : array) text += (text.empty() ? "" : ", ") + text_of(item);
    return text;
  }

  const JsonObject& object_;
};

template <typename Record>
MetricsRecord read(const JsonObject& line) {
  Record record;
  visit_fields(record, Reader(line));
  if constexpr (requires { record.update; }) {
    if (std::isnan(record.update)) line.fail(std::string("no \"update\" in a record of type ") + kTypeOf<Record>);
  }
  return record;
}

template <typename... Records>
std::optional<MetricsRecord> read_any(const JsonObject& line, std::variant<Records...>*) {
  const std::string type = line.text("type");
  std::optional<MetricsRecord> found;
  const auto try_type = [&]<typename Record>(Record*) {
    if (type == kTypeOf<Record>) found = read<Record>(line);
  };
  (try_type(static_cast<Records*>(nullptr)), ...);
  return found;
}

}  // namespace

nlohmann::json to_json(const MetricsRecord& record) {
  Writer writer;
  std::visit(
      [&]<typename Record>(const Record& known) {
        writer.text("type", kTypeOf<Record>);
        visit_fields(known, writer);
      },
      record);
  return writer.object;
}

std::optional<MetricsRecord> record_of(const JsonObject& line) {
  return read_any(line, static_cast<MetricsRecord*>(nullptr));
}

}  // namespace polymoe
