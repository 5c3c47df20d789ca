#include "polymoe/surgery/keep.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/random.h"

namespace polymoe {
namespace {

// The experts of a layer, the best first.
std::vector<std::int64_t> ranking(const std::vector<double>& scores) {
  std::vector<std::int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  return order;
}

// The scores of a layer, the highest first.
std::vector<double> sorted(std::vector<double> scores) {
  std::sort(scores.begin(), scores.end(), std::greater<>());
  return scores;
}

// For each expert of a layer, the best first: what part of the sum of scores a layer lacks that keeps it and all better
// ones.
std::vector<double> parts_left(const std::vector<double>& scores) {
  std::vector<double> parts = sorted(scores);
  double left = std::accumulate(parts.begin(), parts.end(), 0.0);
  const double sum = left > 0 ? left : 1;
  for (double& part : parts) part = (left -= part) / sum;
  return parts;
}

void check_count(const MoeLayerSize& layer, std::int64_t count, std::int64_t least) {
  if (count > layer.experts) fail("{} experts to keep, but {} has {}", count, layer.name, layer.experts);
  if (count < least) fail("{} of the experts of {} to keep, but a token goes to {}", count, layer.name, least);
}

std::int64_t parse_expert(const std::string& text, const std::string& list, const MoeLayerSize& layer) {
  std::int64_t expert = -1;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), expert);
  if (code != std::errc() || end != text.data() + text.size() || expert < 0 || expert >= layer.experts) {
    fail("{}: {} is no expert of {}, which has 0 to {}", in_quotes(list), in_quotes(text), layer.name,
         layer.experts - 1);
  }
  return expert;
}

}  // namespace

ExpertScores random_scores(const std::vector<MoeLayerSize>& layers, std::uint64_t seed) {
  ExpertScores scores;
  for (const MoeLayerSize& layer : layers) {
    const RandomStream random(seed, fnv1a(layer.name));
    std::vector<double>& of_layer = scores.emplace_back();
    for (std::int64_t e = 0; e < layer.experts; ++e) of_layer.push_back(random.uniform(static_cast<std::uint64_t>(e)));
  }
  return scores;
}

KeptExperts keep_best(const std::vector<MoeLayerSize>& layers, const ExpertScores& scores,
                      const std::vector<std::int64_t>& counts, std::int64_t least) {
  KeptExperts kept;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    check_count(layers[i], counts[i], least);
    std::vector<std::int64_t> best = ranking(scores[i]);
    best.resize(static_cast<std::size_t>(counts[i]));
    std::sort(best.begin(), best.end());
    kept.push_back(std::move(best));
  }
  return kept;
}

std::vector<std::int64_t> share_budget(const std::vector<MoeLayerSize>& layers, const ExpertScores& scores,
                                       std::int64_t total, std::int64_t least, BudgetSpread spread) {
  std::int64_t available = 0;
  for (const MoeLayerSize& layer : layers) available += layer.experts;
  const auto needed = static_cast<std::int64_t>(layers.size()) * least;
  if (total > available) fail("{} experts to keep, but the model has {}", total, available);
  if (total < needed) fail("{} experts to keep, but {} layers need {} each", total, layers.size(), least);

  // Each layer's own are set; what is left goes to the best of all others.
  std::vector<std::pair<double, std::size_t>> others;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::vector<double> values = spread == BudgetSpread::kEven ? parts_left(scores[i]) : sorted(scores[i]);
    for (std::size_t rank = static_cast<std::size_t>(least); rank < values.size(); ++rank) {
      others.emplace_back(values[rank], i);
    }
  }
  std::stable_sort(others.begin(), others.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::int64_t> counts(layers.size(), least);
  for (std::int64_t i = 0; i < total - needed; ++i) ++counts[others[static_cast<std::size_t>(i)].second];
  return counts;
}

KeptExperts parse_lists(const std::vector<MoeLayerSize>& layers, const std::vector<std::string>& lists,
                        std::int64_t least) {
  KeptExperts kept;
  for (const MoeLayerSize& layer : layers) {
    kept.emplace_back(static_cast<std::size_t>(layer.experts));
    std::iota(kept.back().begin(), kept.back().end(), 0);
  }
  std::set<std::string> named;
  for (const std::string& list : lists) {
    const std::size_t colon = list.find(':');
    const std::string name = list.substr(0, colon);
    const auto layer = std::find_if(layers.begin(), layers.end(), [&](const auto& l) { return l.name == name; });
    if (colon == std::string::npos || layer == layers.end()) {
      fail("{} does not begin with a MoE layer and a colon, as in {}:0,1", in_quotes(list), layers.front().name);
    }
    if (!named.insert(name).second) fail("{} is named twice", name);
    std::set<std::int64_t> experts;
    for (std::size_t begin = colon + 1, end = 0; end != std::string::npos; begin = end + 1) {
      end = list.find(',', begin);
      const std::string text = list.substr(begin, end == std::string::npos ? end : end - begin);
      if (!experts.insert(parse_expert(text, list, *layer)).second) fail("{} has {} twice", in_quotes(list), text);
    }
    check_count(*layer, static_cast<std::int64_t>(experts.size()), least);
    kept[static_cast<std::size_t>(layer - layers.begin())].assign(experts.begin(), experts.end());
  }
  return kept;
}

}  // namespace polymoe
