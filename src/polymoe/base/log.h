#pragma once

#include <functional>
#include <string>

#include <fmt/core.h>

namespace polymoe {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Receives the library's messages. The library itself never prints: without a sink, messages are dropped.
using LogSink = std::function<void(LogLevel, const std::string&)>;

/// Installs the sink of the process. Call before threads start.
void set_log_sink(LogSink sink);

/// Hands one message to the sink.
void log_message(LogLevel level, const std::string& message);

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace polymoe
