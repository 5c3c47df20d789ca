#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "base/memory.h"
#include "base/quote.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/usage.h"

namespace polymoe::cli {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;

constexpr const char* kTour = R"(A tour, from text to translations:
  polymoe corpus gettext --output corpus              real translations from Debian's message catalogues
  polymoe vocab --help                                a vocabulary over the corpus
  polymoe prepare --help                              the corpus as ids, ready for training
  polymoe train --config run.yaml --output run        a model, with checkpoints, metrics and validation
  polymoe translate --help                            sentences from standard input to standard output
  polymoe evaluate --help                             BLEU and chrF of translations
  polymoe report --help                               one HTML page about a run

`polymoe config` prints every key of a training run with its default; save it, edit it, pass it as --config.
`polymoe SUBCOMMAND --help` tells the options. Results go to standard output, messages to standard error.)";

void print_error(const std::string& message) {
  end_progress_line();
  fmt::print(stderr, "polymoe: error: {}\n", one_line(message.substr(0, message.find('\n'))));
}

/// A full disk behind standard output shows only when the last of it is written.
int flush_results() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
  print_error(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
  return kFailure;
}

int parse_and_run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return flush_results();
  } catch (const CLI::Success& wish) {  // --help, --version
    app.exit(wish);
    return flush_results();
  } catch (const CLI::ParseError& error) {
    print_error(usage_error(app, error));
    return kUsage;
  } catch (const std::bad_alloc&) {
    print_error("out of memory; smaller batches (--max-tokens) or a smaller model need less");
  } catch (const std::exception& error) {  // polymoe::Error too: its what() is the line to show
    print_error(error.what());
  }
  return kFailure;
}

int run(int argc, char** argv) {
  keep_freed_memory();
  // A closed pipe (`polymoe translate | head`) ends the program silently, also where a parent ignores the signal.
  std::signal(SIGPIPE, SIG_DFL);

  CLI::App app{"polymoe trains and runs multitask multilingual Mixture-of-Experts translation models.", "polymoe"};
  app.footer(kTour);
  app.set_version_flag("--version", "polymoe " POLYMOE_VERSION, "Print the version and exit");
  bool verbose = false;
  app.add_flag("-v,--verbose", verbose, "also show messages for debugging");
  app.fallthrough();
  app.require_subcommand(1);
  app.parse_complete_callback([&verbose] { start_logging(verbose); });
  add_corpus(app);
  add_vocab(app);
  add_prepare(app);
  add_train(app);
  add_translate(app);
  add_evaluate(app);
  add_report(app);
  add_config(app);
  return parse_and_run(app, argc, argv);
}

}  // namespace
}  // namespace polymoe::cli

int main(int argc, char** argv) { return polymoe::cli::run(argc, argv); }
