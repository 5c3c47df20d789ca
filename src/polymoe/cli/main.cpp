#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include "polymoe/base/files.h"
#include "polymoe/base/partial.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/cli/help.h"
#include "polymoe/cli/parallel.h"
#include "polymoe/cli/usage.h"
#include "polymoe/tensor/tensor_memory.h"
#include "polymoe/version.h"

namespace polymoe::cli {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;

constexpr const char* kTour = R"(A tour, from text to translations:
  real text: what Debian's programs say, translated
    polymoe corpus gettext --languages de,fr,uk --out corpus
  a vocabulary over it, and the text as ids
    polymoe vocab --corpus corpus --out vocab.model --size 8000
    polymoe prepare --corpus corpus --vocab vocab.model --out data
  a model; the same command goes on where it was interrupted
    polymoe train --data.path data --out run --preset small --experts 8 --max-minutes 30
  translations, and their scores against those of people
    polymoe translate --model run -s en -t de < test.en > translated.de
    polymoe evaluate --hyp translated.de --ref test.de
  the same over HTTP, with a page for browsers
    polymoe serve --model run
  what the run's checkpoint holds, and that it is whole
    polymoe checkpoint inspect run
    polymoe checkpoint verify run
  which experts each language uses, layer by layer
    polymoe usage run -o run/usage.json
  new models of old ones: the mean of a run's last checkpoints, the experts of two runs, fewer experts
    polymoe average run --last 3 --out averaged
    polymoe merge first second --out merged
    polymoe prune run --usage run --keep 4 --out pruned
  the same model in a quarter of the memory, and faster on a CPU
    polymoe quantize run --to int8 --out small
  one HTML page with the run's curves
    polymoe report run

`polymoe config` prints every key of a training run with its default; save it, edit it, pass it as --config.
`polymoe SUBCOMMAND --help` tells the options. Results go to standard output, messages to standard error.)";

void print_error(const std::string& message) {
  end_progress_line();
  // fmt::print() throws where standard error is full, and an error that cannot be told is still one.
  std::fputs(fmt::format("polymoe: error: {}\n", one_line(message.substr(0, message.find('\n')))).c_str(), stderr);
}

/// A full disk behind standard output shows only when the last of it is written.
int flush_results() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
  print_error(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
  return kFailure;
}

/// Only training is the work of several processes. Anything else that mpirun or srun starts runs on the first of them.
bool is_left_to_the_first(const CLI::App& app) { return launched_rank() > 0 && !app.got_subcommand("train"); }

int failed(const CLI::App& app, const std::exception& error, const std::string& message, int code) {
  if (is_left_to_the_first(app)) return code;
  if (launched_in_parallel() && app.got_subcommand("train")) fail_together(error, message, code, print_error);
  print_error(message);
  return code;
}

int parse_and_run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    close_world();
    return flush_results();
  } catch (const CLI::RuntimeError& end) {  // an exit code without a message
    return end.get_exit_code();
  } catch (const CLI::Success& wish) {  // --help, --version
    if (launched_rank() == 0) app.exit(wish);
    return flush_results();
  } catch (const CLI::ParseError& error) {
    return failed(app, error, usage_error(app, error), kUsage);
  } catch (const std::bad_alloc& error) {
    return failed(app, error, "out of memory; smaller batches (--max-tokens) or a smaller model need less", kFailure);
  } catch (const std::filesystem::filesystem_error& error) {  // its own words name the function before the file
    return failed(app, error, fmt::format("{}: {}", one_line(error.path1().string()), error.code().message()),
                  kFailure);
  } catch (const std::exception& error) {  // polymoe::Error too: its what() is the line to show
    return failed(app, error, error.what(), kFailure);
  }
}

void put(std::string_view text) { static_cast<void>(!write(STDERR_FILENO, text.data(), text.size())); }

/// Files that are mapped into memory may lose their end, or their disk, while they are read. That would end the program
/// without a word.
extern "C" void tell_lost_file(int, siginfo_t* signal, void*) {
  const char* const file = mapped_file_at(signal->si_addr);
  put("polymoe: error: ");
  put(*file != '\0' ? file : "memory");
  put(": cannot be read any more; was the file cut off or overwritten, or is its disk failing?\n");
  std::_Exit(kFailure);
}

void watch_mapped_files() {
  struct sigaction action {};
  action.sa_sigaction = tell_lost_file;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

/// Ends as the signal does by itself, but leaves nothing half-written behind.
extern "C" void end_without_partials(int signal) {
  remove_listed_partials();
  raise(signal);  // with its own action again
}

/// Commands that save before they end have handlers of their own later. What a parent ignores (nohup) stays ignored.
void clear_away_on_signals() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction action {
    }, before{};
    action.sa_handler = end_without_partials;
    action.sa_flags = SA_RESETHAND;
    sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

/// A standard stream that is closed would be the first file that is opened: a log in the middle of somebody's metrics.
/// What takes its place fails as the closed one would, but for stderr.
void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    const int null = open("/dev/null", stream == STDOUT_FILENO ? O_RDONLY : O_WRONLY);
    if (null != stream) std::_Exit(kFailure);
  }
}

int run(int argc, char** argv) {
  hold_standard_streams();
  map_large_tensors();
  watch_mapped_files();
  clear_away_on_signals();
  // A closed pipe (`polymoe translate | head`) ends the program silently, also where a parent ignores the signal.
  std::signal(SIGPIPE, SIG_DFL);
  // Over a limit on the size of files (ulimit -f) a write fails with a message, as on a full disk.
  std::signal(SIGXFSZ, SIG_IGN);

  CLI::App app{"polymoe trains and runs multitask multilingual Mixture-of-Experts translation models.", "polymoe"};
  app.formatter(help_formatter());
  app.set_version_flag(
      "--version", fmt::format("polymoe {}.{}.{}", POLYMOE_VERSION_MAJOR, POLYMOE_VERSION_MINOR, POLYMOE_VERSION_PATCH),
      "Print the version and exit");
  bool verbose = false, strict = false;
  app.add_flag("-v,--verbose", verbose, "also show messages for debugging, and those of all processes");
  app.add_flag(
      "--strict", strict,
      "make errors of warnings: of text that is left out, cut or lost, of changed names, of options without effect");
  app.fallthrough();
  app.require_subcommand(1);
  app.parse_complete_callback([&] {
    if (is_left_to_the_first(app)) throw CLI::Success();
    set_strict(strict);
    if (launched_rank() == 0 || verbose) start_logging(verbose);
  });
  add_corpus(app);
  add_vocab(app);
  add_prepare(app);
  add_train(app);
  add_translate(app);
  add_score(app);
  add_serve(app);
  add_evaluate(app);
  add_checkpoint(app);
  add_usage(app);
  add_average(app);
  add_merge(app);
  add_upcycle(app);
  add_prune(app);
  add_quantize(app);
  add_extend(app);
  add_import(app);
  add_export(app);
  add_report(app);
  add_plan(app);
  add_config(app);
  app.footer(kTour);  // after the subcommands, which would take it over
  return parse_and_run(app, argc, argv);
}

}  // namespace
}  // namespace polymoe::cli

int main(int argc, char** argv) { return polymoe::cli::run(argc, argv); }
