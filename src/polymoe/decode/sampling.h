#pragma once

#include <cstdint>
#include <span>

namespace polymoe {

struct DecodeOptions;

/// The id that is drawn from `log_probabilities` [vocabulary] with `uniform`, a number from [0, 1): divided by
/// decode.temperature, then only the decode.top-k likeliest, then of these only the fewest likeliest that have
/// decode.top-p of their probability together ("nucleus sampling", Holtzman et al. 2020, "The curious case of neural
/// text degeneration"). -1 where every id is impossible.
std::int64_t draw_token(std::span<const float> log_probabilities, const DecodeOptions& options, double uniform);

/// The uniform number for token `position` of sample `sample` of a sentence: it depends on nothing else, so samples do
/// not depend on the batch. `number` tells equal sentences apart.
double uniform_of_token(std::uint64_t seed, std::span<const std::int32_t> source, std::uint64_t number,
                        std::size_t sample, std::size_t position);

}  // namespace polymoe
