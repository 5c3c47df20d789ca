#pragma once

#include <cstdint>

#include "polymoe/kernels/activation.h"
#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/stream.h"
#include "polymoe/kernels/segment.h"

/// Work on slots sorted by expert, of which only the GPU knows how many each expert has. T is float or BFloat16.
namespace polymoe::kernels::cuda {

/// A table on the GPU, in the order of the slots. Slots behind the last segment are not in use: nothing reads or writes
/// them.
struct Segments {
  const Segment* table = nullptr;
  std::int64_t count = 0;
};

/// Fills a table of one segment for each expert. `expert_end` [experts] int32: where each expert's slots end. Their
/// names begin at expert << 32.
void make_segments(const std::int32_t* expert_end, std::int64_t experts, std::int64_t packed_key, Segment* table,
                   Stream stream);

/// values [rows, width] += bias [experts, width], of each row's expert. Where `active` [rows, width] is not null, it
/// becomes the activation of the sums; it may be `values`.
template <typename T>
void add_segment_bias(T* values, const T* bias, T* active, Activation activation, std::int64_t rows, std::int64_t width,
                      const Segments& segments, Stream stream);

/// Dropout of values [rows, width] in place, with each segment's names and key (kernels/cpu/dropout.h).
template <typename T>
void segment_dropout(T* values, std::int64_t rows, std::int64_t width, std::int64_t first_column, double p,
                     const Segments& segments, Stream stream);

/// sums [experts, width]: over each expert's rows of values [rows, width], in float32, zero for an expert without.
/// `expert_end` as for make_segments().
template <typename T>
void sum_by_expert(const T* values, const std::int32_t* expert_end, std::int64_t experts, std::int64_t width, T* sums,
                   Stream stream);

}  // namespace polymoe::kernels::cuda
