#pragma once

#include "base/progress.h"

namespace polymoe::cli {

/// Sends the library's log messages to stderr, with the time and level.
void start_logging(bool verbose);

/// A progress sink on stderr: one line that is rewritten where stderr is a terminal, a plain line every few seconds
/// where it is not. Shows amount, throughput and time left.
ProgressSink console_progress();

}  // namespace polymoe::cli
