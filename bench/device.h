#pragma once

#include <cstdint>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "bench/arguments.h"

namespace polymoe::bench {

/// The words --device and --precision.
Arguments::Words device_words();

/// Waits until the device has done all it was given; on the CPU there is nothing to wait for.
void synchronize(const at::Device& device);

/// Seconds of the device's work that `f` gives it, with nothing of before and to its end.
template <typename Function>
double seconds_on(const at::Device& device, const Function& f) {
  synchronize(device);
  return seconds_of([&] {
    f();
    synchronize(device);
  });
}

/// Floating-point operations per second of a product of square matrices of this type, the best of a few. 2048 rows on
/// the CPU (256 in float16, which it multiplies slowly); 8192 on a GPU, which smaller ones leave idle.
double matrix_peak(const at::Device& device, at::ScalarType type);

/// Begins a new count of peak_bytes().
void reset_peak_bytes(const at::Device& device);
/// The most bytes of tensors that a GPU held at a time since the reset; 0 on the CPU, where LibTorch keeps no count.
std::int64_t peak_bytes(const at::Device& device);

}  // namespace polymoe::bench
