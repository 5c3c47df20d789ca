#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

/// The parser and the writer of the JSON library, compiled once: a source that calls them itself takes three seconds
/// longer to compile.
namespace polymoe {

/// Throws nlohmann::json::parse_error.
nlohmann::json parse_json(std::string_view text);
/// A discarded value (is_discarded()) where `text` is no JSON.
nlohmann::json try_parse_json(std::string_view text);

/// How many of `characters` JSON has outside of its strings: of '[' and '{' its depth is no more.
std::size_t count_outside_strings(std::string_view json, std::string_view characters);

/// On one line, or indented by so many spaces a level. nlohmann::json::type_error where a string is no UTF-8.
std::string dump_json(const nlohmann::json& value, int indent = -1);
std::string dump_json(const nlohmann::ordered_json& value, int indent = -1);
/// On one line; U+FFFD for what is no UTF-8.
std::string dump_any_json(const nlohmann::json& value);
std::string dump_any_json(const nlohmann::ordered_json& value);

}  // namespace polymoe
