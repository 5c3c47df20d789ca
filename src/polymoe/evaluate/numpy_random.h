#pragma once

#include <cstdint>

namespace polymoe {

/// The numbers that NumPy's default generator (`numpy.random.default_rng(seed)`: PCG64, M. E. O'Neill, "PCG: a family
/// of simple fast space-efficient statistically good algorithms for random number generation", 2014) draws, so that
/// tests of significance take the same resamples as sacreBLEU's.
class NumpyRandom {
 public:
  explicit NumpyRandom(std::uint64_t seed);

  /// The next integer in [0, bound), as `rng.integers(bound)` and `rng.choice(bound)` have it. `bound` is from 1 to
  /// 2^32 - 1.
  std::uint32_t below(std::uint32_t bound);

 private:
  std::uint64_t next64();
  std::uint32_t next32();

  unsigned __int128 state_ = 0, increment_;
  std::uint32_t upper_ = 0;  // the half of a number that is drawn next
  bool has_upper_ = false;
};

}  // namespace polymoe
