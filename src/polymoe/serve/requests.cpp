#include "polymoe/serve/requests.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/json_text.h"
#include "polymoe/base/utf8.h"
#include "polymoe/serve/api_error.h"

namespace polymoe {
namespace {

using Json = nlohmann::json;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string decode_form(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low >= 0) {
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

/// A body as a JSON object; a form's fields are strings, those that come twice lists.
Json read_object(std::string_view content_type, std::string_view body) {
  if (content_type.starts_with("application/x-www-form-urlencoded")) {
    Json object = Json::object();
    for (auto& [name, values] : read_form(body)) object[name] = values.size() == 1 ? Json(values[0]) : Json(values);
    return object;
  }
  constexpr std::size_t kMostBrackets = 10'000;  // values are freed one inside the other
  if (count_outside_strings(body, "[{") > kMostBrackets) {
    throw ApiError(kBadRequest, "the JSON has too many lists and objects");
  }
  Json object = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    throw ApiError(kBadRequest,
                   R"(the body is not a JSON object such as {"q": "Hello", "source": "en", "target": "de"})");
  }
  return object;
}

std::string text_field(const Json& object, const char* name, bool needed) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) {
    if (needed) throw ApiError(kBadRequest, fmt::format("the field \"{}\" is missing", name));
    return "";
  }
  if (!found->is_string()) throw ApiError(kBadRequest, fmt::format("the field \"{}\" is not a string", name));
  auto text = found->get<std::string>();
  if (find_bad_utf8(text) != std::string::npos) {
    throw ApiError(kBadRequest, fmt::format("the field \"{}\" is not UTF-8", name));
  }
  if (text.find('\0') != std::string::npos) {
    throw ApiError(kBadRequest, fmt::format("the field \"{}\" holds a NUL character", name));
  }
  return text;
}

std::size_t number_field(const Json& object, const char* name, std::size_t most) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return 0;
  std::size_t number = most + 1;
  if (found->is_number_unsigned()) {
    number = found->get<std::size_t>();
  } else if (found->is_string()) {
    const auto text = found->get<std::string>();
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (fault != std::errc() || end != text.data() + text.size()) number = most + 1;
  }
  if (number > most) throw ApiError(kBadRequest, fmt::format("\"{}\" must be a number from 0 to {}", name, most));
  return number;
}

}  // namespace

RequestFields read_form(std::string_view body) {
  RequestFields fields;
  for (std::size_t begin = 0; begin < body.size();) {
    const std::size_t end = std::min(body.find('&', begin), body.size());
    const std::string_view field = body.substr(begin, end - begin);
    const std::size_t equals = std::min(field.find('='), field.size());
    if (!field.empty()) {
      fields[decode_form(field.substr(0, equals))].push_back(
          decode_form(field.substr(std::min(equals + 1, field.size()))));
    }
    begin = end + 1;
  }
  return fields;
}

TranslateRequest read_translate_request(std::string_view content_type, std::string_view body,
                                        const RequestLimits& limits) {
  const Json object = read_object(content_type, body);
  TranslateRequest request;
  const auto q = object.find("q");
  if (q != object.end() && q->is_array()) {
    request.is_list = true;
    if (q->size() > limits.max_texts) {
      throw ApiError(kTooLarge, fmt::format("{} texts; a request may hold {}", q->size(), limits.max_texts));
    }
    for (const Json& text : *q) request.texts.push_back(text_field({{"q", text}}, "q", true));
  } else {
    request.texts.push_back(text_field(object, "q", true));
  }
  std::size_t bytes = 0;
  for (const std::string& text : request.texts) bytes += text.size();
  if (bytes > limits.max_characters) {
    throw ApiError(kTooLarge, fmt::format("{} bytes of text; a request may hold {}", bytes, limits.max_characters));
  }
  request.source = text_field(object, "source", true);
  request.target = text_field(object, "target", true);
  const std::string format = text_field(object, "format", false);
  if (!format.empty() && format != "text" && format != "html") {
    throw ApiError(kBadRequest, "\"format\" is neither \"text\" nor \"html\"");
  }
  request.is_html = format == "html";
  request.alternatives = number_field(object, "alternatives", limits.max_alternatives);
  request.model = text_field(object, "model", false);
  request.api_key = text_field(object, "api_key", false);
  return request;
}

DetectRequest read_detect_request(std::string_view content_type, std::string_view body, const RequestLimits& limits) {
  const Json object = read_object(content_type, body);
  DetectRequest request{text_field(object, "q", true), text_field(object, "api_key", false)};
  if (request.text.size() > limits.max_characters) {
    throw ApiError(kTooLarge,
                   fmt::format("{} bytes of text; a request may hold {}", request.text.size(), limits.max_characters));
  }
  return request;
}

}  // namespace polymoe
