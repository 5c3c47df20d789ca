#include "polymoe/cli/stop_file.h"

#include <chrono>
#include <cstdlib>
#include <system_error>

namespace polymoe::cli {

StopFileWatch::StopFileWatch(std::atomic<bool>& stop) {
  const char* name = std::getenv(kStopFileVariable);
  if (name == nullptr) return;
  thread_ = std::thread([this, &stop, file = std::filesystem::path(name)] {
    std::error_code ignored;
    while (!ends_ && !std::filesystem::exists(file, ignored))
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (!ends_) stop = true;
  });
}

StopFileWatch::~StopFileWatch() {
  ends_ = true;
  if (thread_.joinable()) thread_.join();
}

}  // namespace polymoe::cli
