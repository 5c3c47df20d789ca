#pragma once

#include <cstdint>
#include <vector>

#include "polymoe/base/random.h"
#include "polymoe/config/data_options.h"

namespace polymoe {

/// How denoising auto-encoding spoils a text (the scheme of BART, arXiv 1910.13461): spans of tokens become one
/// `<mask>` each, other tokens are deleted, and what is left is shuffled locally.
struct NoiseOptions {
  double mask_ratio = 0.3;            ///< share of the tokens inside masked spans
  double mask_span = 3.0;             ///< mean length of a span (geometric distribution), at least 1
  double delete_ratio = 0.1;          ///< share of the tokens deleted; mask_ratio + delete_ratio <= 1
  std::int64_t shuffle_distance = 3;  ///< no token or mask moves farther than this
};

/// The noise that `options` ask for.
inline NoiseOptions noise_of(const DataOptions& options) {
  return {options.mask_ratio, options.mask_span, options.delete_ratio, options.shuffle_distance};
}

/// Marks a `<mask>` in the result of noisy_positions().
inline constexpr std::int32_t kMaskedSpan = -1;

/// The spoiled form of a text of `length` tokens, as positions in it and kMaskedSpan. Never longer than the text. A
/// pure function of its arguments.
std::vector<std::int32_t> noisy_positions(std::int64_t length, const NoiseOptions& options, const RandomStream& random);

/// The size of what noisy_positions() gives, for much less work.
std::int64_t noisy_length(std::int64_t length, const NoiseOptions& options, const RandomStream& random);

}  // namespace polymoe
