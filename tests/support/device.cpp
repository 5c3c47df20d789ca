#include "support/device.h"

#include <cstdlib>
#include <iostream>

#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/tensor/device.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

// Says once which device it is, and ends the run before the first test where there is none of that name.
class SaysTheDevice : public ::testing::Environment {
 public:
  void SetUp() override { std::cout << "tests compute on " << test_device() << std::endl; }
};

const ::testing::Environment* const says_the_device = ::testing::AddGlobalTestEnvironment(new SaysTheDevice);

bool on_cpu() { return test_device().is_cpu(); }

}  // namespace

at::Device test_device() {
  static const at::Device device = [] {
    const char* word = std::getenv("POLYMOE_TEST_DEVICE");
    const std::string name = word == nullptr ? "cpu" : word;
    if (name != "cpu" && name != "cuda") fail("POLYMOE_TEST_DEVICE: '{}' is neither cpu nor cuda", name);
    return open_device(name);
  }();
  return device;
}

std::string test_device_name() { return on_cpu() ? "cpu" : "cuda"; }

at::Tensor on_device(const at::Tensor& x) { return x.to(test_device()); }

double tolerance(double on_the_cpu) { return on_cpu() ? on_the_cpu : 10 * on_the_cpu; }

double same_tolerance(double on_gpu) { return on_cpu() ? 0.0 : on_gpu; }

bool close(const at::Tensor& got, const at::Tensor& expected, double relative, double absolute) {
  return at::allclose(got.to(at::kCPU), expected.to(at::kCPU), tolerance(relative), tolerance(absolute));
}

bool same(const at::Tensor& got, const at::Tensor& expected, double on_gpu) {
  const at::Tensor a = got.to(at::kCPU), b = expected.to(at::kCPU);
  if (at::equal(a, b)) return true;
  if (on_cpu() || a.sizes() != b.sizes() || !a.is_floating_point()) return false;
  return (a - b).norm().item<double>() <= on_gpu * b.norm().item<double>();
}

}  // namespace polymoe
