#pragma once

#include <exception>
#include <functional>
#include <string>

#include "polymoe/comm/world.h"

namespace polymoe::cli {

/// The processes of this run, made at the first call. `time_out_seconds` counts then.
World& world(double time_out_seconds = 600);

/// Ends the world that world() made, if any. All processes call it at the end of their work.
void close_world();

/// Ends all processes of a run after this one has failed with `error`, with the message of the process that failed
/// first and the rank whose failure it is, if it is one's in particular. Waits for those that have not come to world()
/// yet. `message` is what to say of the error, `print` prints it.
[[noreturn]] void fail_together(const std::exception& error, const std::string& message, int code,
                                const std::function<void(const std::string&)>& print);

}  // namespace polymoe::cli
