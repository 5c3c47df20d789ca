#include "polymoe/surgery/mean.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "polymoe/base/error.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

constexpr std::int64_t kChunkElements = 1 << 17;

}  // namespace

std::vector<double> normalized_weights(const std::vector<double>& given, std::size_t count) {
  if (given.empty()) return std::vector<double>(count, 1.0 / static_cast<double>(count));
  if (given.size() != count) fail("{} weights for {} checkpoints; give one for each", given.size(), count);
  for (const double weight : given) {
    if (!std::isfinite(weight) || weight < 0) fail("weight {} is not a number of at least 0", weight);
  }
  const double sum = std::accumulate(given.begin(), given.end(), 0.0);
  if (!std::isfinite(sum) || sum <= 0) fail("the weights sum to {}; at least one must be above 0", sum);
  std::vector<double> weights;
  for (const double weight : given) weights.push_back(weight / sum);
  return weights;
}

at::Tensor weighted_sum(const std::vector<Source>& sources, const std::vector<double>& weights, std::string_view group,
                        const std::string& name) {
  at::Tensor result = at::empty(sources.front().checkpoint.spec(group, name).shape, at::kFloat);
  const at::Tensor flat = result.view(-1);
  const std::int64_t chunk = std::min(kChunkElements, flat.numel());
  const at::Tensor values = at::empty({chunk}, at::kFloat), sums = at::empty({chunk}, at::kDouble);
  for (std::int64_t begin = 0; begin < flat.numel(); begin += chunk) {
    const std::int64_t count = std::min(chunk, flat.numel() - begin);
    const at::Tensor value = values.narrow(0, 0, count), sum = sums.narrow(0, 0, count);
    sum.zero_();
    for (std::size_t i = 0; i < sources.size(); ++i) {
      sources[i].checkpoint.read_runs(group, name, value, {{0, begin, count}});
      sum.add_(value, weights[i]);
    }
    flat.narrow(0, begin, count).copy_(sum);
  }
  return result;
}

}  // namespace polymoe
