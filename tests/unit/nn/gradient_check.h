#pragma once

#include <functional>

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

/// Compares the gradient of the scalar f() at `input` (float64, requires_grad, contiguous) with central differences.
/// In float64 with a step of 1e-6 both agree to about 1e-8 relative to the size of f; 1e-6 leaves room for curvature.
inline void expect_gradient_matches(at::Tensor input, const std::function<at::Tensor()>& f, double tolerance = 1e-6) {
  if (input.grad().defined()) input.mutable_grad().reset();
  f().backward();
  const at::Tensor analytic = input.grad().clone();
  const at::NoGradGuard no_grad;
  at::Tensor flat = input.view(-1);
  constexpr double kStep = 1e-6;
  for (std::int64_t i = 0; i < flat.numel(); ++i) {
    const double value = flat[i].item<double>();
    flat[i] = value + kStep;
    const double above = f().item<double>();
    flat[i] = value - kStep;
    const double below = f().item<double>();
    flat[i] = value;
    EXPECT_NEAR(analytic.view(-1)[i].item<double>(), (above - below) / (2 * kStep), tolerance) << "element " << i;
  }
}

}  // namespace polymoe
