#pragma once

#include <filesystem>

#include "polymoe/base/progress.h"

namespace polymoe::cli {

/// Sends the library's log messages to stderr, with the time; warnings and errors with their level, in colour on a
/// terminal unless NO_COLOR is set. Debug messages only where `verbose`.
void start_logging(bool verbose);

/// Sends all messages to the end of a file too, made with its folder. Throws Error when it cannot be written.
void log_to_file(const std::filesystem::path& path);

/// A progress sink on stderr: one line that is rewritten where stderr is a terminal; where it is not, a plain line at
/// the start of a stage, every few seconds, and at its end. Shows amount, throughput and time left. Thread-safe; a
/// call that shows nothing costs well under a microsecond.
ProgressSink console_progress();

/// Ends the line that progress is rewriting, if any, so that other output starts on its own line.
void end_progress_line();

}  // namespace polymoe::cli
