#include "bench/device.h"

#include <algorithm>

#include <ATen/DeviceAccelerator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe::bench {
namespace {

c10::DeviceIndex index_of(const at::Device& device) {
  return c10::impl::VirtualGuardImpl(device.type()).getDevice().index();
}

}  // namespace

Arguments::Words device_words() {
  return {{"device", {"cpu", "cuda"}}, {"precision", {"float32", "bfloat16", "float16"}}};
}

void synchronize(const at::Device& device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(index_of(device));
}

double matrix_peak(const at::Device& device, at::ScalarType type) {
  std::int64_t size = device.is_cpu() ? 2048 : 8192;
  if (device.is_cpu() && type == at::kHalf) size = 256;  // LibTorch's CPU products of float16 can take a minute each
  const int products = device.is_cpu() ? 1 : 10;         // so that a GPU's time to begin does not show
  const auto random = [&] { return at::randn({size, size}, at::TensorOptions(device)).to(type); };
  const at::Tensor a = random(), b = random();
  at::Tensor c = at::empty_like(a);
  double best = 1e30;
  for (int i = 0; i < 4; ++i) {
    const double seconds = seconds_on(device, [&] {
      for (int product = 0; product < products; ++product) at::mm_out(c, a, b);
    });
    best = std::min(best, seconds / products);
  }
  const auto rows = static_cast<double>(size);
  return 2.0 * rows * rows * rows / best;
}

void reset_peak_bytes(const at::Device& device) {
  if (!device.is_cpu()) at::getDeviceAllocator(device.type())->resetPeakStats(index_of(device));
}

std::int64_t peak_bytes(const at::Device& device) {
  if (device.is_cpu()) return 0;
  constexpr auto kAllPools = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return at::getDeviceAllocator(device.type())->getDeviceStats(index_of(device)).allocated_bytes[kAllPools].peak;
}

}  // namespace polymoe::bench
