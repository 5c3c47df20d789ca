#include "polymoe/text/gettext/charset.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>

#include <iconv.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/utf8.h"

namespace polymoe {
namespace {

const iconv_t kInvalid = reinterpret_cast<iconv_t>(-1);

bool is_utf8(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  return name == "UTF-8" || name == "UTF8" || name == "ASCII" || name == "US-ASCII";
}

}  // namespace

CharsetDecoder::CharsetDecoder(std::string_view charset) {
  const std::string name(charset);
  if (is_utf8(name)) return;
  // iconv_open() takes options after a slash ("//IGNORE"), which a file has no business to set.
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == ':' || c == '+';
  });
  converter_ = plain ? iconv_open("UTF-8", name.c_str()) : kInvalid;
  if (converter_ == kInvalid) {
    converter_ = nullptr;
    throw Error("unknown charset " + in_quotes(name));
  }
}

CharsetDecoder::~CharsetDecoder() {
  if (converter_ != nullptr) iconv_close(converter_);
}

bool CharsetDecoder::decode(std::string_view bytes, std::string& text) {
  if (converter_ == nullptr) {
    text.assign(bytes);
    return find_bad_utf8(bytes) == std::string_view::npos;
  }
  text.clear();
  iconv(converter_, nullptr, nullptr, nullptr, nullptr);
  char* input = const_cast<char*>(bytes.data());
  std::size_t input_left = bytes.size();
  bool flushed = false;
  while (!flushed) {
    std::array<char, 4096> buffer;
    char* output = buffer.data();
    std::size_t output_left = buffer.size();
    flushed = input_left == 0;  // the last call writes what a stateful charset holds back
    const std::size_t code =
        iconv(converter_, flushed ? nullptr : &input, flushed ? nullptr : &input_left, &output, &output_left);
    if (code == static_cast<std::size_t>(-1) && errno != E2BIG) return false;
    text.append(buffer.data(), buffer.size() - output_left);
  }
  return find_bad_utf8(text) == std::string_view::npos;
}

}  // namespace polymoe
