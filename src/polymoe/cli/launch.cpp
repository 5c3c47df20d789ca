#include "polymoe/cli/launch.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "polymoe/base/cores.h"
#include "polymoe/base/error.h"
#include "polymoe/base/log.h"
#include "polymoe/cli/mpirun_messages.h"
#include "polymoe/cli/stop_file.h"
#include "polymoe/cli/stop_signals.h"

namespace polymoe::cli {
namespace {

volatile std::sig_atomic_t mpirun_process = 0;
volatile std::sig_atomic_t stops = 0;
std::array<char, 4096> stop_file{};  // for a signal handler

// The first one asks the processes to save and stop. mpirun answers SIGTERM by killing them a second later.
extern "C" void ask_to_stop(int) {
  const int saved = errno;
  if (stops == 0) {
    const int file = open(stop_file.data(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (file >= 0) close(file);
  } else {
    kill(mpirun_process, SIGTERM);
  }
  stops = 1;
  errno = saved;
}

// A folder for what a launch leaves while it runs: the stop file, and Open MPI's session, which stays where mpirun is
// killed. It goes with this object.
class LaunchFolder {
 public:
  LaunchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "polymoe-launch-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) fail("cannot make a folder like {}: {}", pattern, std::strerror(errno));
    path_ = pattern;
  }
  // Where mpirun was killed, processes that have not noticed yet may go on making files in it for a moment.
  ~LaunchFolder() {
    constexpr int kTries = 50;
    std::error_code error;
    for (int i = 0; i < kTries; ++i) {
      std::filesystem::remove_all(path_, error);
      if (!error) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    log_warning("cannot remove {}: {}", path_.string(), error.message());
  }
  LaunchFolder(const LaunchFolder&) = delete;
  LaunchFolder& operator=(const LaunchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string program_in_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string file = folder + "/" + name;
    if (access(file.c_str(), X_OK) == 0) return file;
  }
  throw Error("there is no mpirun on this machine", {}, "install Open MPI (Debian: openmpi-bin), or leave --processes");
}

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) arguments.push_back(argument);
  if (!arguments.empty()) arguments.erase(arguments.begin());
  return arguments;
}

/// What else Open MPI must know. The user's own settings stay.
void set_environment(int processes, const LaunchFolder& folder) {
  constexpr int kKeep = 0;
  setenv(kStopFileVariable, stop_file.data(), /*overwrite=*/1);
  setenv("OMPI_MCA_orte_tmpdir_base", folder.path().c_str(), kKeep);
  if (geteuid() == 0) {  // in containers the usual case; mpirun asks for a word that it is meant
    for (const char* name : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "PRTE_ALLOW_RUN_AS_ROOT",
                             "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM"}) {
      setenv(name, "1", kKeep);
    }
  }
  // Threads that wait for work must not take the cores that other processes compute on.
  if (processes > usable_cores()) {
    setenv("OMP_WAIT_POLICY", "passive", kKeep);
    setenv("KMP_BLOCKTIME", "0", kKeep);
  }
}

[[noreturn]] void become_mpirun(std::vector<std::string> words, pid_t parent, int output, int errors) {
  // A process group of its own, so that Ctrl-C goes through ask_to_stop() alone; ended should this process be killed.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int null = open("/dev/null", O_RDONLY);
  if (null >= 0) dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(errors, STDERR_FILENO);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  if (getppid() == parent) execv(pointers[0], pointers.data());
  constexpr int kCannotRun = 126;
  _exit(kCannotRun);
}

/// Passes on what comes from mpirun's stdout until it is closed: mpirun itself would not say that it cannot write. The
/// error of the first write that failed; 0 for none.
int pass_on_output(int stream) {
  std::array<char, 4096> buffer;
  int error = 0;
  while (true) {
    const ssize_t got = read(stream, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return error;
    for (ssize_t done = 0; error == 0 && done < got;) {
      const ssize_t put = write(STDOUT_FILENO, buffer.data() + done, static_cast<std::size_t>(got - done));
      if (put >= 0) {
        done += put;
      } else if (errno != EINTR) {
        error = errno;
      }
    }
  }
}

/// Shows what comes from mpirun's stderr until it is closed.
void show_messages(int stream) {
  MpirunMessages messages;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = read(stream, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    const std::string text =
        got > 0 ? messages.take(std::string(buffer.data(), static_cast<std::size_t>(got))) : messages.finish();
    std::fwrite(text.data(), 1, text.size(), stderr);
    if (got <= 0) return;
  }
}

/// mpirun waits forever where it cannot write its own files.
void check_file_limit() {
  constexpr rlim_t kNeeded = rlim_t{32} << 20;
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < kNeeded) {
    throw Error(fmt::format("the limit on the size of files is {} bytes; mpirun needs {} for its own",
                            static_cast<std::uint64_t>(limit.rlim_cur), static_cast<std::uint64_t>(kNeeded)),
                {}, "raise it (ulimit -f), or leave --processes");
  }
}

}  // namespace

std::vector<std::string> without_processes(const std::vector<std::string>& arguments) {
  std::vector<std::string> kept;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--processes") {
      ++i;
    } else if (!arguments[i].starts_with("--processes=")) {
      kept.push_back(arguments[i]);
    }
  }
  return kept;
}

int run_under_mpirun(int processes) {
  check_file_limit();
  std::vector<std::string> words = {program_in_path("mpirun"), "-np",       fmt::format("{}", processes),
                                    "--oversubscribe",         "--bind-to", "none",
                                    "/proc/self/exe"};
  std::array<char, 4096> self{};
  if (readlink("/proc/self/exe", self.data(), self.size() - 1) > 0) words.back() = self.data();
  for (std::string& argument : without_processes(own_arguments())) words.push_back(std::move(argument));
  const LaunchFolder folder;
  const std::string file = (folder.path() / "stop").string();
  if (file.size() >= stop_file.size()) fail("the name of the temporary folder is too long: {}", folder.path().string());
  file.copy(stop_file.data(), file.size());
  set_environment(processes, folder);

  // Stops that come while there is no mpirun yet wait until there is.
  sigset_t stop_signals, before;
  sigemptyset(&stop_signals);
  for (const int signal : kStopSignals) sigaddset(&stop_signals, signal);
  sigprocmask(SIG_BLOCK, &stop_signals, &before);
  int output[2], errors[2];
  if (pipe2(output, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0) {
    fail("cannot make a pipe: {}", std::strerror(errno));
  }
  const pid_t self_id = getpid(), child = fork();
  if (child < 0) fail("cannot start mpirun: {}", std::strerror(errno));
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    become_mpirun(std::move(words), self_id, output[1], errors[1]);
  }
  close(output[1]);
  close(errors[1]);
  mpirun_process = child;
  handle_stop_signals(ask_to_stop);
  int output_error = 0;
  std::thread output_thread([&] { output_error = pass_on_output(output[0]); });  // takes none of the signals
  sigprocmask(SIG_SETMASK, &before, nullptr);

  try {
    show_messages(errors[0]);
  } catch (...) {
    output_thread.join();
    throw;
  }
  output_thread.join();
  close(output[0]);
  close(errors[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail("cannot wait for mpirun: {}", std::strerror(errno));
  }
  if (status == 0 && output_error != 0) fail("cannot write to standard output: {}", std::strerror(output_error));
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace polymoe::cli
