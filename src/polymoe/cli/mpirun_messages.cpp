#include "polymoe/cli/mpirun_messages.h"

#include <algorithm>
#include <regex>

#include <fmt/format.h>

namespace polymoe::cli {
namespace {

bool is_rule(const std::string& line) {
  constexpr std::size_t kShortest = 40;
  return line.size() >= kShortest && line.find_first_not_of('-') == std::string::npos;
}

bool holds_any(const std::string& text, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&](const char* w) { return text.find(w) != std::string::npos; });
}

/// Open MPI's remarks on its own banners, and on what it does.
bool is_remark(const std::string& line) {
  return holds_any(line, {"more process has sent help message", "more processes have sent help message",
                          "\"orte_base_help_aggregate\" to 0", "orte/util/show_help.c", "mpirun: Forwarding signal"});
}

std::string shown(const std::vector<std::string>& banner) {
  std::string text;
  for (const std::string& line : banner) text += line + "\n";
  static const std::regex killed(
      R"(process rank (\d+) with PID \d+ on node (\S+) exited on\s+signal (\d+) \(([^)]*)\))");
  std::smatch match;
  if (std::regex_search(text, match, killed)) {
    return fmt::format("polymoe: error: rank {} on {} was ended by signal {} ({})\n", match.str(1), match.str(2),
                       match.str(3), match.str(4));
  }
  const bool repeats =
      holds_any(text, {"MPI_ABORT was invoked", "Primary job  terminated normally",
                       "processes returned\na non-zero exit code", "exited improperly", "terminated normally, but"});
  return repeats ? "" : text;
}

}  // namespace

std::string MpirunMessages::take(const std::string& text) {
  partial_ += text;
  std::string result;
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = partial_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    result += take_line(partial_.substr(begin, end - begin));
  }
  partial_.erase(0, begin);
  return result;
}

std::string MpirunMessages::take_line(const std::string& line) {
  if (is_rule(line)) {
    banner_.push_back(line);
    if (banner_.size() == 1) return "";
    std::string text = shown(banner_);
    banner_.clear();
    return text;
  }
  if (is_remark(line)) return "";
  if (line.starts_with("polymoe: error: ") && !errors_.insert(line).second) return "";
  if (banner_.empty()) return line + "\n";
  // A process's own line may come between those of a banner.
  if (line.starts_with("polymoe: ")) return line + "\n";
  banner_.push_back(line);
  return "";
}

std::string MpirunMessages::finish() {
  std::string text;
  for (const std::string& line : banner_) text += line + "\n";
  banner_.clear();
  text += partial_;
  partial_.clear();
  return text;
}

}  // namespace polymoe::cli
