#pragma once

#include <string>

#include <ATen/core/Tensor.h>

namespace polymoe {

/// The device that tests compute on, from the environment's POLYMOE_TEST_DEVICE: cpu (the default) or cuda. Error for
/// any other word, and for cuda where there is no GPU. What is of host memory by nature stays on the CPU: kernels of
/// the CPU, files, the mailboxes between threads that stand for processes.
at::Device test_device();

/// The same as the value of train.device.
std::string test_device_name();

/// A tensor's copy on the tests' device (on the CPU itself). Numbers drawn on the CPU are the same for every device.
at::Tensor on_device(const at::Tensor& x);

/// A module on the tests' device.
template <typename Holder>
Holder on_device(Holder module) requires requires {
  module->to(test_device());
}
{
  module->to(test_device());
  return module;
}

// The one place that knows how much less than the CPU a GPU promises. There sums go in another order than on the CPU,
// an order that changes with the shape, and in some gradients, which are added up by atomics, from run to run; and its
// Adam rounds otherwise than the host's. Products are of whole float32 numbers there too (TF32 is off unless asked
// for).

/// What a test allows for rounding on the CPU; ten times as much on a GPU.
double tolerance(double on_cpu);

/// How far two numbers may be apart, relative to their size, that are the same bits on the CPU: 0 there.
double same_tolerance(double on_gpu = 1e-5);

/// at::allclose with both tolerances from tolerance(). The tensors may be on different devices.
bool close(const at::Tensor& got, const at::Tensor& expected, double relative, double absolute);

/// Whether tensors are the same: bit for bit on the CPU; on a GPU the norm of the difference is at most `on_gpu` of the
/// norm. (A norm, since Adam makes a whole step of a gradient that is nothing but rounding, here and there.)
bool same(const at::Tensor& got, const at::Tensor& expected, double on_gpu = 1e-5);

}  // namespace polymoe
