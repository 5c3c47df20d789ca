#include "polymoe/nn/positions.h"

#include <algorithm>
#include <cmath>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

at::Tensor sinusoidal_positions(std::int64_t count, std::int64_t hidden, PositionFrequencies frequencies) {
  const std::int64_t half = hidden / 2;
  const std::int64_t steps = frequencies == PositionFrequencies::kPaper ? half : std::max<std::int64_t>(1, half - 1);
  const double rate = std::log(10000.0) / static_cast<double>(steps);
  const at::Tensor rates = at::exp(at::arange(half, at::kDouble) * -rate);
  const at::Tensor angles = at::arange(count, at::kDouble).unsqueeze(1) * rates.unsqueeze(0);
  return at::cat({at::sin(angles), at::cos(angles)}, 1).to(at::kFloat);
}

}  // namespace polymoe
