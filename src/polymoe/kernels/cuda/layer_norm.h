#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/stream.h"

namespace polymoe::kernels::cuda {

/// Layer normalisation of each row on the GPU: x, y [rows, width], weight, bias [width], mean, rstd [rows].
///   mean = sum(x) / width; rstd = 1 / sqrt(sum((x - mean)^2) / width + epsilon);
///   y = (x - mean) * rstd * weight + bias
/// All in float32; y is rounded once, and may be x. Any width from 1 to 2^30; fastest up to 8192, where rows begin at
/// multiples of 16 bytes.
void layer_norm(const float* x, const float* weight, const float* bias, std::int64_t rows, std::int64_t width,
                float epsilon, float* y, float* mean, float* rstd, Stream stream);
void layer_norm(const BFloat16* x, const float* weight, const float* bias, std::int64_t rows, std::int64_t width,
                float epsilon, BFloat16* y, float* mean, float* rstd, Stream stream);

/// The float32 values that layer_norm_backward() needs as workspace.
std::int64_t layer_norm_workspace(std::int64_t rows, std::int64_t width);

/// Its gradients. With x^ = (x - mean) * rstd and g = grad_y * weight, means being over a row:
///   grad_x = added + rstd * (g - mean(g) - x^ * mean(g * x^)), [rows, width];
///   grad_weight = sum over rows of grad_y * x^, grad_bias = sum over rows of grad_y, both [width]
/// `added` [rows, width], a gradient that x has from elsewhere, may be null. All in float32; grad_x is rounded once, is
/// null where it is not wanted, and may be grad_y, x or `added`. The order of sums
/// depends on the sizes and on the addresses' alignment alone, so the same call gives the same bits. `workspace` holds
/// layer_norm_workspace(rows, width) values, of no meaning before or after. Fastest as above.
void layer_norm_backward(const float* grad_y, const float* x, const float* mean, const float* rstd, const float* weight,
                         std::int64_t rows, std::int64_t width, const float* added, float* grad_x, float* grad_weight,
                         float* grad_bias, float* workspace, Stream stream);
void layer_norm_backward(const BFloat16* grad_y, const BFloat16* x, const float* mean, const float* rstd,
                         const float* weight, std::int64_t rows, std::int64_t width, const BFloat16* added,
                         BFloat16* grad_x, float* grad_weight, float* grad_bias, float* workspace, Stream stream);

}  // namespace polymoe::kernels::cuda
