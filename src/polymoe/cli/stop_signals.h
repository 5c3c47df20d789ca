#pragma once

#include <array>
#include <csignal>

namespace polymoe::cli {

/// What asks a training to save and stop.
inline constexpr std::array<int, 4> kStopSignals = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};

/// Has them handled by `handler`; but for SIGHUP, that the terminal is gone, where it is ignored, as under nohup.
inline void handle_stop_signals(void (*handler)(int)) {
  for (const int signal : kStopSignals) {
    if (std::signal(signal, handler) == SIG_IGN && signal == SIGHUP) std::signal(signal, SIG_IGN);
  }
}

}  // namespace polymoe::cli
