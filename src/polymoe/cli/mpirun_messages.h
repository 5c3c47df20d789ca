#pragma once

#include <set>
#include <string>
#include <vector>

namespace polymoe::cli {

/// Reads what mpirun and its processes write to stderr. Open MPI explains every end that is not in order in banners of
/// several lines; where a process has said itself what was wrong they are left out, and that a process was killed
/// becomes one line. Where several processes say the same error, it is shown once. All else passes.
class MpirunMessages {
 public:
  /// Takes a piece of the stream; returns what to show of it and of what came before.
  std::string take(const std::string& text);
  /// What is to show of the rest, at the end of the stream.
  std::string finish();

 private:
  std::string take_line(const std::string& line);

  std::string partial_;              // a line whose end has not come yet
  std::vector<std::string> banner_;  // the open one, with the dashes it began with
  std::set<std::string> errors_;     // shown so far
};

}  // namespace polymoe::cli
