#pragma once

#include <stdexcept>
#include <string>

namespace polymoe {

/// What goes back to a client instead of an answer: an HTTP status and a sentence.
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, const std::string& message, int retry_after = 0)
      : std::runtime_error(message), status_(status), retry_after_(retry_after) {}

  int status() const { return status_; }
  /// Seconds until another try makes sense; 0: not said.
  int retry_after() const { return retry_after_; }

 private:
  int status_;
  int retry_after_;
};

inline constexpr int kBadRequest = 400;
inline constexpr int kForbidden = 403;
inline constexpr int kNotFound = 404;
inline constexpr int kTooLarge = 413;
inline constexpr int kTooMany = 429;
inline constexpr int kServerError = 500;
inline constexpr int kUnavailable = 503;

}  // namespace polymoe
