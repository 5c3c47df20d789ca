#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

namespace polymoe {

class StreamMilestone;

/// A tensor's copy in host memory, on its way while the device computes on. From a GPU it travels in a stream of its
/// own to pinned memory; a tensor that is in host memory is its own copy.
class HostCopy {
 public:
  /// Begins after what the device's current stream has been given so far. `source` may be released at once, but must
  /// not be written to before get().
  explicit HostCopy(const at::Tensor& source);

  /// The copy; waits until it has arrived.
  const at::Tensor& get() const;

 private:
  at::Tensor copy_;
  std::shared_ptr<StreamMilestone> arrival_;  // null where nothing travels
};

/// A tensor of pageable host memory on a device, without a wait: what the current stream is given next finds it there,
/// and `source` may be released or written to at once. For small ones: it passes through pinned memory. On the CPU
/// `source` itself.
at::Tensor send_to(const at::Tensor& source, const at::Device& device);

/// The copy of a tensor that get() of a HostCopy gave, on a device: what the current stream is given next finds it
/// there. The host waits at the end of its life, until the device has read the source. On the CPU it is a copy too.
class DeviceCopy {
 public:
  DeviceCopy(const at::Tensor& source, const at::Device& device);
  const at::Tensor& get() const { return copy_; }

 private:
  at::Tensor source_, copy_;
  std::shared_ptr<StreamMilestone> arrival_;
};

}  // namespace polymoe
