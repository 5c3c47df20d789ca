#pragma once

#include <string>
#include <string_view>

/// What is said of text that is not UTF-8: what it is instead, and what to do about it.
namespace polymoe {

/// Throws Error for a file that begins as UTF-16 or UTF-32 text, or as a compressed file other than gzip, naming the
/// program that helps. Whatever else it is shows line by line.
void check_text_file(const std::string& path);

/// Why a line is no text, and the remedy.
struct TextFault {
  std::string message;  ///< empty: it is UTF-8 text without NUL bytes
  std::string remedy;
};
TextFault find_text_fault(std::string_view line);

}  // namespace polymoe
