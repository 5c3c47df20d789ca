#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/surgery/source.h"

namespace polymoe {

/// Weights that sum to one: those given, or equal ones where none are. Throws Error for another number than `count`,
/// for negative and infinite ones, and where all are zero.
std::vector<double> normalized_weights(const std::vector<double>& given, std::size_t count);

/// sum_i weights[i] * (tensor `name` of source i), float32, summed in float64 and rounded once. Beside the result only
/// 3 MB are in memory at a time.
at::Tensor weighted_sum(const std::vector<Source>& sources, const std::vector<double>& weights, std::string_view group,
                        const std::string& name);

}  // namespace polymoe
