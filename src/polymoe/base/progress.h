#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace polymoe {

/// How far a long piece of work has come. Whoever shows it derives throughput and time left.
struct Progress {
  std::string stage;        ///< what is being done, e.g. "prepare train"
  std::uint64_t done = 0;   ///< units finished
  std::uint64_t total = 0;  ///< units in all; 0 when not known
  std::string unit;         ///< e.g. "lines", "steps"
  std::string detail;       ///< free text behind the numbers, e.g. "loss 3.21"
  bool finished = false;    ///< the last update of this stage
};

/// Called often and cheaply by the library; must be thread-safe where the work is threaded. May be empty.
using ProgressSink = std::function<void(const Progress&)>;

}  // namespace polymoe
