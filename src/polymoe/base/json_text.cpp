#include "polymoe/base/json_text.h"

#include <nlohmann/json.hpp>

namespace polymoe {

using nlohmann::json, nlohmann::ordered_json;

json parse_json(std::string_view text) { return json::parse(text); }
json try_parse_json(std::string_view text) { return json::parse(text, nullptr, /*allow_exceptions=*/false); }

std::string dump_json(const json& value, int indent) { return value.dump(indent); }
std::string dump_json(const ordered_json& value, int indent) { return value.dump(indent); }
std::string dump_any_json(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }
std::string dump_any_json(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace polymoe
