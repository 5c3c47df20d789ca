#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "polymoe/inference/decoding_model.h"

namespace polymoe {

/// How many batches are searched at the same time: as many as LibTorch has threads where the model lets threads share
/// it, else one. Threads that each search a batch are faster than threads that share every product.
std::int64_t batches_at_once(const DecodingModel& model);

/// Calls search(i) for each i below `count`, in order of i but batches_at_once() of them at the same time, each on a
/// thread of its own that computes alone. The first exception is thrown once all threads have ended.
void search_batches(const DecodingModel& model, std::size_t count, const std::function<void(std::size_t)>& search);

}  // namespace polymoe
