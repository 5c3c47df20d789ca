#include "polymoe/decode/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <vector>

#include "polymoe/base/random.h"
#include "polymoe/config/decode_options.h"

namespace polymoe {
namespace {

struct Choice {
  std::int64_t id;
  double weight;  // its probability, up to a common factor
};

double sum_of(const std::vector<Choice>& choices) {
  return std::accumulate(choices.begin(), choices.end(), 0.0,
                         [](double sum, const Choice& choice) { return sum + choice.weight; });
}

bool is_likelier(const Choice& a, const Choice& b) { return a.weight != b.weight ? a.weight > b.weight : a.id < b.id; }

// Leaves those that decode.top-k and decode.top-p allow, by id, so that rounding cannot turn their order.
void keep_likeliest(std::vector<Choice>& choices, const DecodeOptions& options) {
  const auto most = static_cast<std::size_t>(options.top_k);
  if (most > 0 && choices.size() > most) {
    std::nth_element(choices.begin(), choices.begin() + options.top_k, choices.end(), is_likelier);
    choices.resize(most);
  }
  if (options.top_p < 1) {
    const double wanted = options.top_p * sum_of(choices);
    double sum = 0.0;
    std::size_t kept = 0, sorted = 0;
    for (; kept < choices.size() && (kept == 0 || sum < wanted); ++kept) {
      if (kept == sorted) {  // sorting all would take longest where the fewest are kept
        sorted = std::min(choices.size(), std::max<std::size_t>(64, 4 * sorted));
        std::partial_sort(choices.begin() + static_cast<std::ptrdiff_t>(kept),
                          choices.begin() + static_cast<std::ptrdiff_t>(sorted), choices.end(), is_likelier);
      }
      sum += choices[kept].weight;
    }
    choices.resize(kept);
  }
  std::sort(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) { return a.id < b.id; });
}

}  // namespace

std::int64_t draw_token(std::span<const float> log_probabilities, const DecodeOptions& options, double uniform) {
  const float greatest = *std::max_element(log_probabilities.begin(), log_probabilities.end());
  if (std::isinf(greatest)) return -1;
  std::vector<Choice> choices;
  for (std::size_t id = 0; id < log_probabilities.size(); ++id) {
    const double weight = std::exp(static_cast<double>(log_probabilities[id] - greatest) / options.temperature);
    if (weight > 0) choices.push_back({static_cast<std::int64_t>(id), weight});
  }
  if (options.top_k > 0 || options.top_p < 1) keep_likeliest(choices, options);
  double left = uniform * sum_of(choices);
  for (const Choice& choice : choices) {
    left -= choice.weight;
    if (left < 0) return choice.id;
  }
  return choices.back().id;  // rounding
}

double uniform_of_token(std::uint64_t seed, std::span<const std::int32_t> source, std::uint64_t number,
                        std::size_t sample, std::size_t position) {
  const std::string_view bytes(reinterpret_cast<const char*>(source.data()), source.size_bytes());
  const RandomStream stream(seed, fnv1a("decode.sample"), fnv1a(bytes) ^ mix_bits(number), sample);
  return stream.uniform(position);
}

}  // namespace polymoe
