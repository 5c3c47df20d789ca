#include "nn/host_copy.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "nn/torch_headers.h"

namespace polymoe {

HostCopy::HostCopy(const at::Tensor& source) : copy_(source) {
  if (source.is_cpu()) return;
  const c10::DeviceType type = source.device().type();
  const c10::impl::VirtualGuardImpl streams(type);
  c10::Event written(type);
  written.record(streams.getStream(source.device()));
  const c10::StreamGuard own_stream(streams.getStreamFromGlobalPool(source.device()));
  written.block(own_stream.current_stream());
  copy_ = at::empty(source.sizes(), source.options().device(at::kCPU).pinned_memory(true));
  copy_.copy_(source, /*non_blocking=*/true);
  // Whoever gets the source's memory next waits for the copy.
  streams.recordDataPtrOnStream(source.storage().data_ptr(), own_stream.current_stream());
  arrived_ = std::make_shared<c10::Event>(type);
  arrived_->record(own_stream.current_stream());
}

const at::Tensor& HostCopy::get() const {
  if (arrived_) arrived_->synchronize();
  return copy_;
}

}  // namespace polymoe
