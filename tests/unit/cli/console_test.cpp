#include "polymoe/cli/console.h"

#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "polymoe/base/log.h"

namespace polymoe::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

/// What `action` writes to stderr in a process of its own, where stderr is the writing end of `ends`.
std::string output_of(const std::function<void()>& action, int reading, int writing) {
  const pid_t child = fork();
  if (child == 0) {
    dup2(writing, STDERR_FILENO);
    close(reading);
    action();
    std::fflush(stderr);
    _exit(0);
  }
  close(writing);
  std::string output;
  char buffer[4096];
  for (ssize_t got; (got = read(reading, buffer, sizeof buffer)) > 0;)
    output.append(buffer, static_cast<std::size_t>(got));
  close(reading);
  waitpid(child, nullptr, 0);
  return output;
}

std::string on_pipe(const std::function<void()>& action) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  return output_of(action, ends[0], ends[1]);
}

std::string on_terminal(const std::function<void()>& action) {
  int terminal = -1, program = -1;
  const winsize size{24, 60, 0, 0};
  if (openpty(&terminal, &program, nullptr, nullptr, &size) != 0) std::abort();
  return output_of(
      [&] {
        setenv("TERM", "xterm", 1);
        action();
      },
      terminal, program);
}

void log_everything() {
  start_logging(false);
  log_debug("hidden");
  log_info("plain {}", "{}");
  log_message(LogLevel::kWarning, "odd\nline");
  log_message(LogLevel::kError, "bad");
}

void read_files(const ProgressSink& sink) {
  for (std::uint64_t i = 0; i <= 1000; ++i) sink({"read", i, 1000, "files", "", i == 1000});
}

TEST(Console, LogLinesHaveTheTimeAndOnlyBadOnesTheirLevel) {
  EXPECT_THAT(on_pipe(log_everything),
              MatchesRegex("[0-9:]{8} plain \\{\\}\n[0-9:]{8} warning: odd line\n[0-9:]{8} error: bad\n"));
}

TEST(Console, VerboseShowsDebugMessages) {
  EXPECT_THAT(on_pipe([] {
                start_logging(true);
                log_debug("detail");
              }),
              MatchesRegex("[0-9:]{8} detail\n"));
}

TEST(Console, ColoursOnlyOnATerminalAndNotWithNoColor) {
  unsetenv("NO_COLOR");
  EXPECT_THAT(on_pipe(log_everything), Not(HasSubstr("\033")));
  EXPECT_THAT(on_terminal(log_everything), HasSubstr("\033[33mwarning: \033[0modd line"));
  EXPECT_THAT(on_terminal([] {
                setenv("NO_COLOR", "1", 1);
                log_everything();
              }),
              Not(HasSubstr("\033")));
}

TEST(Console, WithoutATerminalProgressIsALineAtTheStartAndOneAtTheEnd) {
  EXPECT_THAT(on_pipe([] { read_files(console_progress()); }),
              MatchesRegex("[0-9:]{8} read: 0%, 0 of 1.00k files\n[0-9:]{8} read: 100%, 1.00k files[^\n]*\n"));
}

TEST(Console, EveryStageGetsItsLines) {
  const std::string output = on_pipe([] {
    const ProgressSink sink = console_progress();
    sink({"first", 1, 9, "files", "", false});
    sink({"second", 1, 9, "files", "", false});
    sink({"second", 9, 9, "files", "", true});
    sink({"second", 9, 9, "files", "", true});
  });
  EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 4) << output;
}

TEST(Console, OnATerminalProgressRewritesItsLine) {
  const std::string output = on_terminal([] { read_files(console_progress()); });
  EXPECT_THAT(output, HasSubstr("\r\033[Kread [                    ] 0%, 0 of 1.00k files"));
  EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 1) << output;
  EXPECT_EQ(output.back(), '\n');
}

TEST(Console, ALogLineStandsAboveTheProgressLine) {
  const std::string output = on_terminal([] {
    setenv("NO_COLOR", "1", 1);
    start_logging(false);
    console_progress()({"read", 1, 4, "files", "", false});
    log_info("a message");
    end_progress_line();
    end_progress_line();  // nothing left to end
  });
  EXPECT_THAT(output, MatchesRegex("\r\033\\[Kread \\[=====               \\] 25%, 1 of 4 files"
                                   "\r\033\\[K[0-9:]{8} a message\r\n"
                                   "read \\[=====               \\] 25%, 1 of 4 files\r\n"));
}

TEST(Console, ThreadsDoNotMixTheirLines) {
  const std::string output = on_pipe([] {
    start_logging(false);
    const ProgressSink sink = console_progress();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&sink, t] {
        for (std::uint64_t i = 0; i < 200; ++i) {
          sink({"read", i, 200, "files", "", i == 199});
          log_info("thread {} line {} end", t, i);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  std::size_t begin = 0, messages = 0;
  while (begin < output.size()) {
    const std::size_t end = output.find('\n', begin);
    const std::string line = output.substr(begin, end - begin);
    EXPECT_THAT(line, MatchesRegex("[0-9:]{8} (thread [0-3] line [0-9]+ end|read: .*)"));
    messages += line.find("thread") != std::string::npos ? 1 : 0;
    begin = end + 1;
  }
  EXPECT_EQ(messages, 800u);
}

}  // namespace
}  // namespace polymoe::cli
