#include "polymoe/tensor/host_copy.h"

#include <exception>

#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "polymoe/tensor/pinned_memory.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

// A point in a stream's work, waited for at the end of its life: then the memory at both ends may go.
class StreamMilestone {
 public:
  explicit StreamMilestone(const c10::Stream& stream) : event_(stream.device_type()) { event_.record(stream); }
  ~StreamMilestone() {
    try {
      event_.synchronize();
    } catch (const std::exception&) {  // a fault of the device, which its next use tells; here it would end the program
    }
  }
  StreamMilestone(const StreamMilestone&) = delete;
  StreamMilestone& operator=(const StreamMilestone&) = delete;

  void wait() const { event_.synchronize(); }

 private:
  c10::Event event_;
};

HostCopy::HostCopy(const at::Tensor& source) : copy_(source) {
  if (source.is_cpu()) return;
  const c10::DeviceType type = source.device().type();
  const c10::impl::VirtualGuardImpl streams(type);
  c10::Event written(type);
  written.record(streams.getStream(source.device()));
  const c10::StreamGuard own_stream(streams.getStreamFromGlobalPool(source.device()));
  written.block(own_stream.current_stream());
  copy_ = pinned_empty(source.sizes(), source.scalar_type());
  copy_.copy_(source, /*non_blocking=*/true);
  // Whoever gets the source's memory next waits for the copy.
  streams.recordDataPtrOnStream(source.storage().data_ptr(), own_stream.current_stream());
  arrival_ = std::make_shared<StreamMilestone>(own_stream.current_stream());
}

const at::Tensor& HostCopy::get() const {
  if (arrival_) arrival_->wait();
  return copy_;
}

at::Tensor send_to(const at::Tensor& source, const at::Device& device) {
  if (device.is_cpu()) return source;
  // LibTorch keeps the pinned memory until the copy has been made.
  return source.pin_memory().to(device, /*non_blocking=*/true);
}

DeviceCopy::DeviceCopy(const at::Tensor& source, const at::Device& device)
    : source_(source), copy_(at::empty(source.sizes(), source.options().device(device))) {
  copy_.copy_(source, /*non_blocking=*/true);
  if (device.is_cpu()) return;
  arrival_ = std::make_shared<StreamMilestone>(c10::impl::VirtualGuardImpl(device.type()).getStream(copy_.device()));
}

}  // namespace polymoe
