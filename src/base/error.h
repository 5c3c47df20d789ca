#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/core.h>

namespace polymoe {

/// A place in a user's file. An empty path means "no place"; line 0 means "the file as a whole".
struct Where {
  std::string path;
  std::uint64_t line = 0;
};

/// A mistake of the user's or of the machine's (configuration, data, file, disk): what went wrong, where, and
/// what to do about it. what() is one line: "path:line: message; remedy".
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, const Where& where = {}, const std::string& remedy = {});

  const std::string& message() const { return message_; }
  const Where& where() const { return where_; }
  const std::string& remedy() const { return remedy_; }

 private:
  std::string message_;
  Where where_;
  std::string remedy_;
};

/// Throws Error with a formatted message.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws Error with the current errno's text after the message.
[[noreturn]] void fail_errno(std::string_view message, const std::string& path, const std::string& remedy = {});

}  // namespace polymoe
