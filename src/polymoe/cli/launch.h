#pragma once

#include <string>
#include <vector>

namespace polymoe::cli {

/// Runs this program again, with its own arguments less `--processes N`, as `processes` processes on this machine under
/// mpirun. SIGTERM, SIGINT, SIGHUP and SIGUSR1 ask training to save and stop (StopFileWatch), whenever they come; a
/// second one ends the processes. Returns the exit code. Throws Error where there is no mpirun.
int run_under_mpirun(int processes);

/// `arguments` without `--processes N` and `--processes=N`.
std::vector<std::string> without_processes(const std::vector<std::string>& arguments);

}  // namespace polymoe::cli
