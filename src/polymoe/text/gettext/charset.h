#pragma once

#include <string>
#include <string_view>

namespace polymoe {

/// Converts text of one charset to UTF-8 (by the system's iconv). For UTF-8 itself it only checks.
class CharsetDecoder {
 public:
  /// Throws Error for a charset that the system does not know.
  explicit CharsetDecoder(std::string_view charset);
  ~CharsetDecoder();
  CharsetDecoder(const CharsetDecoder&) = delete;
  CharsetDecoder& operator=(const CharsetDecoder&) = delete;

  /// Writes `bytes` as UTF-8 into `text`; false when they are not text in this charset.
  bool decode(std::string_view bytes, std::string& text);

 private:
  void* converter_ = nullptr;  // nullptr: the charset is UTF-8 or ASCII
};

}  // namespace polymoe
