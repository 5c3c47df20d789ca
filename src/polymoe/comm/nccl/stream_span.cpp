#include "polymoe/comm/nccl/stream_span.h"

#include "polymoe/base/error.h"

namespace polymoe {

void check_cuda(cudaError_t code, const char* call) {
  if (code != cudaSuccess) fail("{} failed: {}", call, cudaGetErrorString(code));
}

StreamPoint::StreamPoint(cudaStream_t stream) {
  check_cuda(cudaEventCreate(&event_), "cudaEventCreate");
  check_cuda(cudaEventRecord(event_, stream), "cudaEventRecord");
}

void StreamPoint::make_wait(cudaStream_t stream) const {
  check_cuda(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent");
}

bool StreamPoint::passed() const {
  if (cudaEventQuery(event_) != cudaErrorNotReady) return true;
  // "Not yet" counts as this thread's last error, which whoever launches a kernel next would take for its own.
  static_cast<void>(cudaGetLastError());
  return false;
}

double StreamPoint::seconds_to(const StreamPoint& end) const {
  float milliseconds = 0.0f;
  // After a fault of the device there is no time to tell; whoever works on it hears of the fault.
  if (cudaEventElapsedTime(&milliseconds, event_, end.event_) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return 0.0;
  }
  return static_cast<double>(milliseconds) / 1e3;
}

}  // namespace polymoe
