#include "polymoe/base/log.h"

#include <utility>

namespace polymoe {
namespace {

LogSink& sink() {
  static LogSink instance;
  return instance;
}

}  // namespace

void set_log_sink(LogSink new_sink) { sink() = std::move(new_sink); }

void log_message(LogLevel level, const std::string& message) {
  if (sink()) sink()(level, message);
}

}  // namespace polymoe
