#pragma once

#include <exception>

namespace polymoe {
inline namespace v0 {

/// Thrown out of what was asked to stop by its std::stop_token.
class Cancelled : public std::exception {
 public:
  Cancelled() = default;
  Cancelled(const Cancelled&) = default;
  Cancelled& operator=(const Cancelled&) = default;
  ~Cancelled() override;

  const char* what() const noexcept override;
};

}  // namespace v0
}  // namespace polymoe
