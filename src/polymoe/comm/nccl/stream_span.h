#pragma once

#include <optional>

#include <cuda_runtime_api.h>

#include "polymoe/comm/watchdog.h"

namespace polymoe {

/// Throws Error when a call of the CUDA runtime returned anything but success.
void check_cuda(cudaError_t code, const char* call);

/// A point in a stream's work, with its time.
class StreamPoint {
 public:
  explicit StreamPoint(cudaStream_t stream);
  ~StreamPoint() { cudaEventDestroy(event_); }
  StreamPoint(const StreamPoint&) = delete;
  StreamPoint& operator=(const StreamPoint&) = delete;

  void make_wait(cudaStream_t stream) const;
  bool passed() const;
  /// From this point to that one; both have passed.
  double seconds_to(const StreamPoint& end) const;

 private:
  cudaEvent_t event_ = nullptr;
};

/// The part of a stream's work that is one operation.
class StreamSpan : public DeviceOperation {
 public:
  /// The operation begins with what `stream` is given next.
  explicit StreamSpan(cudaStream_t stream) : begin_(stream) {}
  /// It ends with what `stream` was given last.
  void end(cudaStream_t stream) { end_.emplace(stream); }

  void make_wait(cudaStream_t stream) const { end_->make_wait(stream); }
  bool ended() const override { return end_->passed(); }
  double seconds() const override { return begin_.seconds_to(*end_); }

 private:
  StreamPoint begin_;
  std::optional<StreamPoint> end_;
};

}  // namespace polymoe
