#include "polymoe/data/noise.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace polymoe {
namespace {

// Each use of random numbers has its own range of indices, so that none depends on how many another one took.
constexpr std::uint64_t kMaskCount = 0, kDeleteCount = 1, kRange = std::uint64_t{1} << 40;
constexpr std::uint64_t kSpans = kRange, kGaps = 2 * kRange, kDeletions = 3 * kRange, kShuffle = 4 * kRange;

struct Amounts {
  std::int64_t masked = 0;          ///< tokens in spans
  std::int64_t deleted = 0;         ///< tokens
  std::vector<std::int64_t> spans;  ///< lengths, summing to `masked`; at most one for each gap between other tokens
};

/// `share` of `length`, rounded up or down at random so that the mean is exact.
std::int64_t rounded_share(std::int64_t length, double share, double uniform) {
  return std::min(length, static_cast<std::int64_t>(static_cast<double>(length) * share + uniform));
}

Amounts draw_amounts(std::int64_t length, const NoiseOptions& options, const RandomStream& random) {
  Amounts amounts;
  amounts.masked = rounded_share(length, options.mask_ratio, random.uniform(kMaskCount));
  amounts.deleted =
      std::min(length - amounts.masked, rounded_share(length, options.delete_ratio, random.uniform(kDeleteCount)));
  const double log_continue = std::log1p(-1.0 / options.mask_span);  // -infinity for spans of one token
  for (std::int64_t left = amounts.masked; left > 0; left -= amounts.spans.back()) {
    const double uniform = random.uniform(kSpans + amounts.spans.size());
    const double extra = std::floor(std::log1p(-uniform) / log_continue);
    const std::int64_t span = extra < static_cast<double>(left) ? 1 + static_cast<std::int64_t>(extra) : left;
    amounts.spans.push_back(std::min(span, left));
  }
  // Two spans in one gap would touch and be one.
  const std::int64_t gaps = length - amounts.masked + 1;
  while (static_cast<std::int64_t>(amounts.spans.size()) > gaps) {
    const std::int64_t surplus = amounts.spans.back();
    amounts.spans.pop_back();
    amounts.spans.back() += surplus;
  }
  return amounts;
}

/// Calls take(i) for `wanted` of the numbers 0 .. count-1, all subsets equally likely, and pass(i) for the others, in
/// order (Knuth's selection sampling).
template <typename Take, typename Pass>
void select(std::int64_t wanted, std::int64_t count, const RandomStream& random, std::uint64_t base, Take take,
            Pass pass) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto left = static_cast<std::uint64_t>(count - i);
    if (random.below(base + static_cast<std::uint64_t>(i), left) < static_cast<std::uint64_t>(wanted)) {
      --wanted;
      take(i);
    } else {
      pass(i);
    }
  }
}

/// Sorts by place + uniform [0, distance + 1): of two entries farther apart than `distance` the order stays.
void shuffle_locally(std::vector<std::int32_t>& entries, std::int64_t distance, const RandomStream& random) {
  std::vector<std::pair<double, std::int32_t>> keyed(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    keyed[i] = {static_cast<double>(i) + random.uniform(kShuffle + i) * static_cast<double>(distance + 1), entries[i]};
  }
  std::sort(keyed.begin(), keyed.end());
  std::transform(keyed.begin(), keyed.end(), entries.begin(), [](const auto& entry) { return entry.second; });
}

}  // namespace

std::vector<std::int32_t> noisy_positions(std::int64_t length, const NoiseOptions& options,
                                          const RandomStream& random) {
  const Amounts amounts = draw_amounts(length, options, random);
  const std::int64_t kept = length - amounts.masked;

  // Kept tokens get deletion marks; spans go into different gaps before, between and after them.
  std::vector<bool> deleted(static_cast<std::size_t>(kept));
  select(
      amounts.deleted, kept, random, kDeletions, [&](std::int64_t i) { deleted[static_cast<std::size_t>(i)] = true; },
      [](std::int64_t) {});
  std::vector<std::int32_t> entries;
  entries.reserve(static_cast<std::size_t>(length));
  std::int64_t position = 0;
  std::size_t next_span = 0;
  const auto keep = [&](std::int64_t gap) {
    if (gap == kept) return;  // the last gap has no token after it
    if (!deleted[static_cast<std::size_t>(gap)]) entries.push_back(static_cast<std::int32_t>(position));
    ++position;
  };
  select(
      static_cast<std::int64_t>(amounts.spans.size()), kept + 1, random, kGaps,
      [&](std::int64_t gap) {
        entries.push_back(kMaskedSpan);
        position += amounts.spans[next_span++];
        keep(gap);
      },
      keep);
  if (options.shuffle_distance > 0) shuffle_locally(entries, options.shuffle_distance, random);
  return entries;
}

std::int64_t noisy_length(std::int64_t length, const NoiseOptions& options, const RandomStream& random) {
  const Amounts amounts = draw_amounts(length, options, random);
  return length - amounts.masked - amounts.deleted + static_cast<std::int64_t>(amounts.spans.size());
}

}  // namespace polymoe
