#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

namespace polymoe {

/// Translated files that wait to be fetched, in memory: the oldest go where they take too much, and all after a while.
/// Thread-safe.
class FileStore {
 public:
  struct File {
    std::string name;  ///< as the client named it, with only letters, digits and "._-"
    std::string content;
  };

  FileStore(std::size_t max_bytes, std::chrono::seconds keep) : max_bytes_(max_bytes), keep_(keep) {}

  /// Keeps a file, or throws ApiError for one that alone takes too much; gives the word by which it is fetched, which
  /// cannot be guessed.
  std::string add(File file);
  std::optional<File> find(const std::string& token);

 private:
  using Clock = std::chrono::steady_clock;
  struct Kept {
    std::string token;
    File file;
    Clock::time_point until;
  };

  void drop_old();

  const std::size_t max_bytes_;
  const std::chrono::seconds keep_;
  std::mutex mutex_;
  std::deque<Kept> files_;
  std::size_t bytes_ = 0;
};

/// A client's name for a file, fit for an address and a header.
std::string safe_file_name(const std::string& name);

}  // namespace polymoe
