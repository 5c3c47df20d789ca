#include "base/leftovers.h"

#include <cerrno>
#include <charconv>
#include <csignal>

#include <unistd.h>

namespace polymoe {
namespace {

bool is_running(pid_t process) { return process != getpid() && (kill(process, 0) == 0 || errno != ESRCH); }

}  // namespace

std::optional<std::string_view> left_by_dead_process(std::string_view name, std::string_view mark) {
  const std::size_t at = name.rfind(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view digits = name.substr(at + mark.size());
  pid_t process = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), process);
  const bool is_number = code == std::errc() && end == digits.data() + digits.size() && process > 0;
  if (!is_number || is_running(process)) return std::nullopt;
  return name.substr(0, at);
}

}  // namespace polymoe
