#include "polymoe/surgery/speed.h"

#include <algorithm>
#include <cmath>

#include "polymoe/checkpoint/expert_name.h"

namespace polymoe {
namespace {

constexpr double kLength = 25, kBeam = 4;
constexpr double kBytesPerSecond = 10e9, kFlopsPerSecond = 50e9;
constexpr double kBytesPerParameter = 4;

double seconds_of(const DecodingCost::Side& side, double tokens, std::int64_t top_k) {
  const auto k = static_cast<double>(top_k);
  double read = side.dense, used = side.dense;
  for (const auto& [name, layer] : side.layers) {
    const auto n = static_cast<double>(layer.experts);
    read += layer.size * n * (1.0 - std::pow(1.0 - 1.0 / n, tokens * k));
    used += layer.size * k;
  }
  return std::max(kBytesPerParameter * read / kBytesPerSecond, 2.0 * used * tokens / kFlopsPerSecond);
}

}  // namespace

DecodingCost decoding_cost(const Checkpoint& checkpoint, std::int64_t top_k) {
  DecodingCost cost;
  cost.top_k = top_k;
  for (const std::string& name : checkpoint.names("model")) {
    const auto size = static_cast<double>(num_elements(checkpoint.spec("model", name)));
    DecodingCost::Side& side = name.starts_with("encoder.") ? cost.encoder : cost.decoder;
    if (const auto expert = parse_expert_name(name)) {
      DecodingCost::Layer& layer = side.layers[expert->layer];
      layer.experts = std::max(layer.experts, expert->expert + 1);
      if (expert->expert == 0) layer.size += size;
    } else {
      side.dense += size;
    }
  }
  return cost;
}

double predicted_seconds(const DecodingCost& cost, std::int64_t sentences) {
  const auto count = static_cast<double>(sentences);
  return seconds_of(cost.encoder, kLength * count, cost.top_k) +
         kLength * seconds_of(cost.decoder, kBeam * count, cost.top_k);
}

}  // namespace polymoe
