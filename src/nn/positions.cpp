#include "nn/positions.h"

#include <algorithm>
#include <cmath>

#include "nn/torch_headers.h"

namespace polymoe {

at::Tensor sinusoidal_positions(std::int64_t count, std::int64_t hidden) {
  const std::int64_t half = hidden / 2;
  const double rate = std::log(10000.0) / static_cast<double>(std::max<std::int64_t>(1, half - 1));
  const at::Tensor frequencies = at::exp(at::arange(half, at::kDouble) * -rate);
  const at::Tensor angles = at::arange(count, at::kDouble).unsqueeze(1) * frequencies.unsqueeze(0);
  return at::cat({at::sin(angles), at::cos(angles)}, 1).to(at::kFloat);
}

}  // namespace polymoe
