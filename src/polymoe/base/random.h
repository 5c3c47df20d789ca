#pragma once

#include <array>
#include <cstdint>
#include <string_view>

/// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
/// SC 2011). A number is a pure function of (key, counter), so any process can make any number without the ones
/// before it; this is what keeps dropout, routing and sampling the same in every layout.
namespace polymoe {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

/// The ten rounds of Philox4x32: four random words for each counter.
constexpr PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key) {
  constexpr std::uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * counter[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

/// A key as one number, for places that store plain integers.
constexpr std::int64_t pack_key(PhiloxKey key) {
  return static_cast<std::int64_t>((std::uint64_t{key[1]} << 32) | key[0]);
}
constexpr PhiloxKey unpack_key(std::int64_t packed) {
  const auto word = static_cast<std::uint64_t>(packed);
  return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
}

/// Mixes the bits of a 64-bit word (the finaliser of SplitMix64).
inline std::uint64_t mix_bits(std::uint64_t word) {
  word += 0x9E3779B97F4A7C15ull;
  word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9ull;
  word = (word ^ (word >> 27)) * 0x94D049BB133111EBull;
  return word ^ (word >> 31);
}

/// FNV-1a, 64 bits: a stable hash for names and for splitting data.
inline std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

/// A stream of random numbers addressed by index. Two streams with different names are independent.
class RandomStream {
 public:
  /// `seed` is the run's; `name` says what the numbers are for; `a` and `b` are coordinates such as (step,
  /// micro-batch).
  RandomStream(std::uint64_t seed, std::uint64_t name, std::uint64_t a = 0, std::uint64_t b = 0) {
    const std::uint64_t key = mix_bits(mix_bits(mix_bits(mix_bits(seed) ^ name) ^ a) ^ b);
    key_ = {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
  }

  PhiloxKey key() const { return key_; }

  /// 64 random bits at `index`.
  std::uint64_t bits(std::uint64_t index) const {
    const PhiloxCounter block =
        philox({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), 1u, 0u}, key_);
    return (std::uint64_t{block[1]} << 32) | block[0];
  }

  /// Uniform in [0, 1), 53 bits, at `index`.
  double uniform(std::uint64_t index) const { return static_cast<double>(bits(index) >> 11) * 0x1.0p-53; }

  /// Uniform integer in [0, bound), at `index`; bound > 0. The bias is below bound / 2^64.
  std::uint64_t below(std::uint64_t index, std::uint64_t bound) const {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(bits(index)) * bound) >> 64);
  }

 private:
  PhiloxKey key_;
};

}  // namespace polymoe
