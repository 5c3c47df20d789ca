#include "polymoe/base/process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "polymoe/base/error.h"

extern char** environ;

namespace polymoe {
namespace {

struct Pipe {
  int read_end = -1, write_end = -1;

  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail("cannot make a pipe: {}", std::strerror(errno));
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    close_end(read_end);
    close_end(write_end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  static void close_end(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }
};

struct SpawnActions {
  posix_spawn_file_actions_t actions;
  SpawnActions() { posix_spawn_file_actions_init(&actions); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions); }
};

/// Appends what is there to read; closes the end once there will be no more.
void drain(int& end, std::string& text) {
  std::array<char, 4096> buffer;
  const ssize_t got = read(end, buffer.data(), buffer.size());
  if (got < 0 && errno == EINTR) return;
  if (got <= 0) return Pipe::close_end(end);
  text.append(buffer.data(), static_cast<std::size_t>(got));
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail("cannot wait for a program: {}", std::strerror(errno));
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

ProcessResult run_process(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
                          const std::function<void()>& while_waiting) {
  std::vector<std::string> words = arguments;
  std::vector<std::string> environment = {"LC_ALL=C"};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("LC_ALL=")) environment.emplace_back(*variable);
  }

  Pipe output, errors;
  SpawnActions spawn;
  posix_spawn_file_actions_addopen(&spawn.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&spawn.actions, output.write_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&spawn.actions, errors.write_end, STDERR_FILENO);
  if (!folder.empty()) posix_spawn_file_actions_addchdir_np(&spawn.actions, folder.c_str());

  pid_t child = 0;
  const int code = posix_spawnp(&child, words.at(0).c_str(), &spawn.actions, nullptr, pointers_to(words).data(),
                                pointers_to(environment).data());
  if (code != 0) throw Error(fmt::format("cannot run '{}': {}", words[0], std::strerror(code)));
  Pipe::close_end(output.write_end);
  Pipe::close_end(errors.write_end);

  ProcessResult result;
  try {
    while (output.read_end >= 0 || errors.read_end >= 0) {
      std::array<pollfd, 2> ends = {pollfd{output.read_end, POLLIN, 0}, pollfd{errors.read_end, POLLIN, 0}};
      constexpr int kMilliseconds = 200;
      if (poll(ends.data(), ends.size(), kMilliseconds) > 0) {
        if (ends[0].revents != 0) drain(output.read_end, result.output);
        if (ends[1].revents != 0) drain(errors.read_end, result.errors);
      }
      if (while_waiting) while_waiting();
    }
  } catch (...) {
    kill(child, SIGTERM);
    wait_for(child);
    throw;
  }
  result.exit_code = wait_for(child);
  return result;
}

}  // namespace polymoe
