#include "polymoe/cli/console.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "polymoe/base/log.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/random.h"
#include "polymoe/cli/progress_text.h"

namespace polymoe::cli {
namespace {

using Clock = std::chrono::steady_clock;

bool is_terminal() {
  const char* type = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && (type == nullptr || std::string_view(type) != "dumb");
}

bool wants_colour() {
  const char* no_color = std::getenv("NO_COLOR");
  return is_terminal() && (no_color == nullptr || *no_color == '\0');
}

std::size_t terminal_width() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return known ? size.ws_col - 1u : 79u;  // the last column would wrap on some terminals
}

/// Owns stderr: log lines and the progress line go through one lock, and a log line steps in above the progress line.
class Console : public spdlog::sinks::base_sink<std::mutex> {
 public:
  Console() : terminal_(is_terminal()) {
    const bool colour = wants_colour();
    formatters_ = {formatter("", ""), formatter("warning: ", colour ? "\033[33m" : ""),
                   formatter("error: ", colour ? "\033[31m" : "")};
  }

  void show(const Progress& progress) {
    const std::uint64_t stage = fnv1a(progress.stage);
    const Clock::time_point now = Clock::now();
    const bool due = now.time_since_epoch().count() >= next_.load(std::memory_order_relaxed);
    if (!due && !progress.finished && stage == stage_.load(std::memory_order_relaxed)) return;

    const std::lock_guard lock(mutex_);
    if (stage != stage_.load(std::memory_order_relaxed)) {
      end_line();
      stage_.store(stage, std::memory_order_relaxed);
      started_ = now;
      done_at_start_ = progress.done;
    }
    const Clock::duration pause = terminal_ ? kTerminalPause : kPlainPause;
    next_.store((now + pause).time_since_epoch().count(), std::memory_order_relaxed);
    const double seconds = std::chrono::duration<double>(now - started_).count();
    if (terminal_) {
      line_ = progress_line(progress, done_at_start_, seconds, terminal_width());
      write("\r\033[K" + line_);
      if (progress.finished) end_line();
    } else {
      sink_it_({"", spdlog::level::info, progress_text(progress, done_at_start_, seconds)});
    }
    if (progress.finished) stage_.store(kNoStage, std::memory_order_relaxed);
  }

  void end_progress_line() {
    const std::lock_guard lock(mutex_);
    end_line();
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::size_t kind = message.level >= spdlog::level::err ? 2 : message.level == spdlog::level::warn ? 1 : 0;
    spdlog::memory_buf_t text;
    formatters_[kind]->format(message, text);
    const std::string_view line(text.data(), text.size());
    write(line_.empty() ? std::string(line) : "\r\033[K" + std::string(line) + line_);
  }

  void flush_() override { std::fflush(stderr); }

 private:
  static constexpr Clock::duration kTerminalPause = std::chrono::milliseconds(100);
  static constexpr Clock::duration kPlainPause = std::chrono::seconds(5);
  static constexpr std::uint64_t kNoStage = 0;

  static std::unique_ptr<spdlog::formatter> formatter(const std::string& level, const std::string& colour) {
    const std::string end = colour.empty() ? "" : "\033[0m";
    return std::make_unique<spdlog::pattern_formatter>("%H:%M:%S " + colour + level + end + "%v");
  }

  void end_line() {
    if (!line_.empty()) write("\n");
    line_.clear();
  }

  /// stderr may be gone or full; there is nobody left to tell.
  static void write(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  }

  const bool terminal_;
  std::array<std::unique_ptr<spdlog::formatter>, 3> formatters_;
  std::string line_;  // the progress line that stands on the terminal
  std::atomic<std::uint64_t> stage_{kNoStage};
  std::atomic<Clock::rep> next_{0};  // when the line is shown again
  Clock::time_point started_;
  std::uint64_t done_at_start_ = 0;
};

const std::shared_ptr<Console>& console() {
  static const auto instance = std::make_shared<Console>();
  return instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

// The logger of the process; without sinks it drops everything.
const std::shared_ptr<spdlog::logger>& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("polymoe");
    set_log_sink([made](LogLevel level, const std::string& message) {
      made->log(spdlog_level(level), spdlog::string_view_t(one_line(message)));
    });
    return made;
  }();
  return instance;
}

}  // namespace

void start_logging(bool verbose) {
  logger()->sinks() = {console()};
  logger()->set_level(verbose ? spdlog::level::debug : spdlog::level::info);
}

void log_to_file(const std::filesystem::path& path) {
  try {
    logger()->sinks().push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string()));
  } catch (const spdlog::spdlog_ex& error) {
    throw Error(fmt::format("cannot be written: {}", error.what()), {path.string(), 0});
  }
  logger()->flush_on(spdlog::level::info);
}

ProgressSink console_progress() {
  return [owner = console()](const Progress& progress) { owner->show(progress); };
}

void end_progress_line() { console()->end_progress_line(); }

}  // namespace polymoe::cli
