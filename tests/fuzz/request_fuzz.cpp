#include "fuzz/scratch.h"
#include "polymoe/base/utf8.h"
#include "polymoe/serve/api_error.h"
#include "polymoe/serve/requests.h"

/// A request's body is refused with a status of 400 or 413, or gives text that can be translated.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polymoe;
  if (size == 0) return 0;
  const char* const type = data[0] % 2 == 0 ? "application/json" : "application/x-www-form-urlencoded";
  const std::string_view body = text_of(data + 1, size - 1);
  const RequestLimits limits{.max_texts = 10, .max_characters = 100};
  try {
    const TranslateRequest request = read_translate_request(type, body, limits);
    require(request.texts.size() <= 10 && request.alternatives <= limits.max_alternatives);
    for (const std::string& text : request.texts) {
      require(text.size() <= 100 && find_bad_utf8(text) == std::string::npos && text.find('\0') == std::string::npos);
    }
    require(read_detect_request(type, body, limits).text == request.texts.at(0) || request.is_list);
  } catch (const ApiError& error) {
    require(error.status() == kBadRequest || error.status() == kTooLarge);
  }
  return 0;
}
