#include "polymoe/evaluate/numpy_random.h"

#include <array>
#include <bit>
#include <cstddef>

namespace polymoe {
namespace {

using Wide = unsigned __int128;

constexpr Wide kMultiplier = (Wide{0x2360ED051FC65DA4} << 64) | 0x4385DF649FCCF645;

/// NumPy's SeedSequence: spreads a seed's bits over eight words (after O'Neill's seed_seq_fe).
std::array<std::uint64_t, 4> spread_seed(std::uint64_t seed) {
  constexpr std::size_t kPool = 4;
  const auto hash = [](std::uint32_t value, std::uint32_t& constant, std::uint32_t multiplier) {
    value ^= constant;
    constant *= multiplier;
    value *= constant;
    return value ^ (value >> 16);
  };
  std::uint32_t constant = 0x43B0D7E5;
  std::array<std::uint32_t, kPool> pool = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  for (std::uint32_t& word : pool) word = hash(word, constant, 0x931E8875);
  for (std::size_t from = 0; from < kPool; ++from) {
    for (std::size_t to = 0; to < kPool; ++to) {
      if (from == to) continue;
      const std::uint32_t mixed = 0xCA01F9DD * pool[to] - 0x4973F715 * hash(pool[from], constant, 0x931E8875);
      pool[to] = mixed ^ (mixed >> 16);
    }
  }
  constant = 0x8B51F9DD;
  std::array<std::uint64_t, 4> words{};
  for (std::size_t i = 0; i < 2 * words.size(); ++i) {
    words[i / 2] |= std::uint64_t{hash(pool[i % kPool], constant, 0x58F38DED)} << (32 * (i % 2));
  }
  return words;
}

}  // namespace

NumpyRandom::NumpyRandom(std::uint64_t seed) {
  const std::array<std::uint64_t, 4> words = spread_seed(seed);
  increment_ = (((Wide{words[2]} << 64) | words[3]) << 1) | 1;
  next64();
  state_ += (Wide{words[0]} << 64) | words[1];
  next64();
}

std::uint64_t NumpyRandom::next64() {
  state_ = state_ * kMultiplier + increment_;
  const auto high = static_cast<std::uint64_t>(state_ >> 64), low = static_cast<std::uint64_t>(state_);
  return std::rotr(high ^ low, static_cast<int>(high >> 58));
}

std::uint32_t NumpyRandom::next32() {
  has_upper_ = !has_upper_;
  if (!has_upper_) return upper_;
  const std::uint64_t bits = next64();
  upper_ = static_cast<std::uint32_t>(bits >> 32);
  return static_cast<std::uint32_t>(bits);
}

std::uint32_t NumpyRandom::below(std::uint32_t bound) {
  if (bound == 1) return 0;  // nothing is drawn
  // Lemire, "Fast random integer generation in an interval", 2019.
  const std::uint32_t threshold = -bound % bound;
  std::uint64_t product = 0;
  do {
    product = std::uint64_t{next32()} * bound;
  } while (static_cast<std::uint32_t>(product) < threshold);
  return static_cast<std::uint32_t>(product >> 32);
}

}  // namespace polymoe
