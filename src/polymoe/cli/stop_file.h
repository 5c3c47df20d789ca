#pragma once

#include <atomic>
#include <filesystem>
#include <thread>

namespace polymoe::cli {

/// How the launcher asks the processes of a training to save and stop: a file whose appearance they watch for. A signal
/// would be lost, or end a process, where it comes before all of them listen. The environment names it.
inline constexpr char kStopFileVariable[] = "POLYMOE_STOP_FILE";

/// Sets a flag when the file appears that the environment names; does nothing where it names none.
class StopFileWatch {
 public:
  explicit StopFileWatch(std::atomic<bool>& stop);
  ~StopFileWatch();
  StopFileWatch(const StopFileWatch&) = delete;
  StopFileWatch& operator=(const StopFileWatch&) = delete;

 private:
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

}  // namespace polymoe::cli
