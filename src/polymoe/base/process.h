#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace polymoe {

/// What a finished program left behind.
struct ProcessResult {
  int exit_code = 0;   ///< 128 + the signal's number where a signal ended it
  std::string output;  ///< its stdout
  std::string errors;  ///< its stderr
};

/// Runs a program (found in PATH, no shell in between) in `folder` (empty: the present one), with LC_ALL=C and an empty
/// stdin, and waits for it. `while_waiting`, if given, is called a few times a second; if it throws, the program is
/// ended. Throws Error when the program cannot be started; a non-zero exit code is the caller's to judge.
ProcessResult run_process(const std::vector<std::string>& arguments, const std::filesystem::path& folder = {},
                          const std::function<void()>& while_waiting = {});

}  // namespace polymoe
