#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace polymoe {

/// A tensor in host memory that a GPU reads and writes while it computes: pages of its own, registered with CUDA. (What
/// LibTorch pins is rounded up to a power of two: a unit of just over 2 GiB would take 4.) Uninitialised; contiguous.
/// Whoever lets it go has waited for what moves it. Without a GPU they are plain pages. Throws Error where the system
/// does not pin so much.
at::Tensor pinned_empty(at::IntArrayRef sizes, at::ScalarType type);
at::Tensor pinned_zeros(at::IntArrayRef sizes, at::ScalarType type);

/// Bytes pinned at present, with what is kept for later.
std::int64_t pinned_bytes();

}  // namespace polymoe
