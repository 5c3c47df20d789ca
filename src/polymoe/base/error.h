#pragma once

#include <string>
#include <string_view>

#include <fmt/core.h>

#include "polymoe/errors.h"

namespace polymoe {

/// Throws Error with a formatted message.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws Error with the current errno's text after the message.
[[noreturn]] void fail_errno(std::string_view message, const std::string& path, const std::string& remedy = {});

}  // namespace polymoe
