#pragma once

#include <string>
#include <string_view>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"

/// What is said of text that is not UTF-8: what it is instead, and what to do about it.
namespace polymoe {

/// Throws Error for text that begins as UTF-16 or UTF-32, as a compressed file other than gzip or with nothing but NUL
/// bytes, naming the program that helps. Whatever else it is shows line by line. Call before the first next().
void check_beginning(LineReader& reader);

/// Why a line is no text, and the remedy.
struct TextFault {
  enum class Kind { kNone, kNulByte, kBadUtf8 };
  Kind kind = Kind::kNone;
  std::string message;  ///< empty: it is UTF-8 text without NUL bytes
  std::string remedy;
};
TextFault find_text_fault(std::string_view line);

/// Throws Error with the fault of a line that is no text.
void check_text(std::string_view line, const Where& where);

}  // namespace polymoe
