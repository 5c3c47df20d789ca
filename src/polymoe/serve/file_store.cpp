#include "polymoe/serve/file_store.h"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/core.h>

#include "polymoe/serve/api_error.h"

namespace polymoe {

std::string FileStore::add(File file) {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 4; ++i) token += fmt::format("{:08x}", random());
  if (file.content.size() > max_bytes_) {
    throw ApiError(kTooLarge,
                   fmt::format("the result has {} bytes; at most {} are kept", file.content.size(), max_bytes_));
  }
  const std::lock_guard lock(mutex_);
  bytes_ += file.content.size();
  files_.push_back({token, std::move(file), Clock::now() + keep_});
  drop_old();
  return token;
}

std::optional<FileStore::File> FileStore::find(const std::string& token) {
  const std::lock_guard lock(mutex_);
  drop_old();
  const auto found = std::find_if(files_.begin(), files_.end(), [&](const Kept& kept) { return kept.token == token; });
  if (found == files_.end()) return std::nullopt;
  return found->file;
}

void FileStore::drop_old() {
  while (!files_.empty() && (bytes_ > max_bytes_ || files_.front().until < Clock::now())) {
    bytes_ -= files_.front().file.content.size();
    files_.pop_front();
  }
}

std::string safe_file_name(const std::string& name) {
  constexpr std::size_t kLongest = 100;
  std::string safe = name.substr(name.find_last_of("/\\") + 1);
  for (char& c : safe) {
    const bool fine =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    if (!fine) c = '_';
  }
  if (safe.size() > kLongest) safe.erase(0, safe.size() - kLongest);  // the extension tells what it is
  while (safe.starts_with('.')) safe.erase(0, 1);
  return safe.empty() ? "file" : safe;
}

}  // namespace polymoe
