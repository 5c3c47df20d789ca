#pragma once

#include <memory>

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

namespace polymoe {

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
  std::shared_ptr<c10::Event> arrived_;  // null where nothing travels
};

}  // namespace polymoe
