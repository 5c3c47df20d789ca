#pragma once

#include <string>
#include <vector>

namespace polymoe::cli {

/// Runs this program again, with its own arguments less `--processes N`, as `processes` processes on this machine under
/// mpirun. SIGTERM, SIGINT and SIGHUP reach them as SIGUSR1, which asks training to save and stop; a second one ends
/// them. Returns the exit code. Throws Error where there is no mpirun.
int run_under_mpirun(int processes);

/// `arguments` without `--processes N` and `--processes=N`.
std::vector<std::string> without_processes(const std::vector<std::string>& arguments);

}  // namespace polymoe::cli
