#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

/// What clients ask, in LibreTranslate's shapes: JSON or forms.
namespace polymoe {

/// A body's fields by name, whatever carried them.
using RequestFields = std::map<std::string, std::vector<std::string>>;

struct TranslateRequest {
  std::vector<std::string> texts;
  bool is_list = false;  ///< `q` was a list, and so is the answer
  std::string source;    ///< "auto": to be detected
  std::string target;
  bool is_html = false;
  std::size_t alternatives = 0;
  std::string model;  ///< "": any
  std::string api_key;
};

struct DetectRequest {
  std::string text;
  std::string api_key;
};

struct RequestLimits {
  std::size_t max_texts = 1000;         ///< of one request
  std::size_t max_characters = 20'000;  ///< of them all, in bytes
  std::size_t max_alternatives = 4;
};

/// Read a request's body; `content_type` as the header has it. Throw ApiError (400, 413) with a sentence for the
/// client.
TranslateRequest read_translate_request(std::string_view content_type, std::string_view body,
                                        const RequestLimits& limits);
DetectRequest read_detect_request(std::string_view content_type, std::string_view body, const RequestLimits& limits);

/// A form's fields, "a=1&b=%20": application/x-www-form-urlencoded.
RequestFields read_form(std::string_view body);

}  // namespace polymoe
