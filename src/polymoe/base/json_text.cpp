#include "polymoe/base/json_text.h"

#include <nlohmann/json.hpp>

namespace polymoe {

using nlohmann::json, nlohmann::ordered_json;

json parse_json(std::string_view text) { return json::parse(text); }
json try_parse_json(std::string_view text) { return json::parse(text, nullptr, /*allow_exceptions=*/false); }

std::size_t count_outside_strings(std::string_view json, std::string_view characters) {
  std::size_t count = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '"') in_string = !in_string;
    if (in_string && json[i] == '\\') ++i;
    if (!in_string && characters.find(json[i]) != std::string_view::npos) ++count;
  }
  return count;
}

std::string dump_json(const json& value, int indent) { return value.dump(indent); }
std::string dump_json(const ordered_json& value, int indent) { return value.dump(indent); }
std::string dump_any_json(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }
std::string dump_any_json(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace polymoe
