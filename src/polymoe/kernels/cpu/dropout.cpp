#include "polymoe/kernels/cpu/dropout.h"

#include <algorithm>

#include "polymoe/kernels/cpu/clones.h"
#include "polymoe/kernels/dropout_mask.h"
#include "polymoe/kernels/uniform_number.h"

namespace polymoe::kernels {
namespace {

constexpr int kLanes = kMaskLanes, kChunk = kMaskChunk;

// mask_block() for kLanes neighbouring counters, written so that the compiler vectorises over lanes. The lane loops run
// over plain arrays with known bounds.
inline __attribute__((always_inline)) void philox_lanes(std::uint64_t first_block, std::uint64_t row, PhiloxKey key,
                                                        std::uint32_t (&out)[4][kLanes]) {
  std::uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    c0[lane] = static_cast<std::uint32_t>(first_block) + static_cast<std::uint32_t>(lane);
    c1[lane] = static_cast<std::uint32_t>(row);
    c2[lane] = static_cast<std::uint32_t>(row >> 32);
    c3[lane] = 2u;
  }
  std::uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * c0[lane];
      const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * c2[lane];
      c0[lane] = static_cast<std::uint32_t>(product1 >> 32) ^ c1[lane] ^ k0;
      c1[lane] = static_cast<std::uint32_t>(product1);
      c2[lane] = static_cast<std::uint32_t>(product0 >> 32) ^ c3[lane] ^ k1;
      c3[lane] = static_cast<std::uint32_t>(product0);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    out[0][lane] = c0[lane];
    out[1][lane] = c1[lane];
    out[2][lane] = c2[lane];
    out[3][lane] = c3[lane];
  }
}

// Columns of a chunk are numbered so that each of the eight 16-bit parts covers kLanes neighbours: column
// part * kLanes + lane. Keeping is `number >= threshold`.
template <typename T>
inline __attribute__((always_inline)) void dropout_rows(const T* input, T* output, std::int64_t rows,
                                                        std::int64_t width, const std::int64_t* row_ids,
                                                        std::int64_t first_row, std::int64_t first_column, double p,
                                                        PhiloxKey key) {
  const auto [threshold, scale] = MaskNumbers(p);
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto row = static_cast<std::uint64_t>(row_ids != nullptr ? row_ids[r] : first_row + r);
    // Chunks stand at multiples of kChunk; a part that begins within one takes the rest of it.
    for (std::int64_t begin = first_column - first_column % kChunk; begin < first_column + width; begin += kChunk) {
      std::uint32_t words[4][kLanes];
      philox_lanes(static_cast<std::uint64_t>(begin / kMaskPerBlock), row, key, words);
      float keep[kChunk];
      for (int word = 0; word < 4; ++word) {
        for (int lane = 0; lane < kLanes; ++lane) {
          keep[(2 * word) * kLanes + lane] = (words[word][lane] & 0xFFFFu) >= threshold ? scale : 0.0f;
          keep[(2 * word + 1) * kLanes + lane] = (words[word][lane] >> 16) >= threshold ? scale : 0.0f;
        }
      }
      const std::int64_t from = std::max(begin, first_column);
      const float* kept = keep + (from - begin);
      const T* in = input + r * width + (from - first_column);
      T* out = output + r * width + (from - first_column);
      const int count = static_cast<int>(std::min(begin + kChunk, first_column + width) - from);
      for (int i = 0; i < count; ++i) from_float(to_float(in[i]) * kept[i], out[i]);
    }
  }
}

}  // namespace

POLYMOE_CPU_CLONES
void dropout(const float* input, float* output, std::int64_t rows, std::int64_t width, const std::int64_t* row_ids,
             std::int64_t first_row, std::int64_t first_column, double p, PhiloxKey key) {
  dropout_rows(input, output, rows, width, row_ids, first_row, first_column, p, key);
}

POLYMOE_CPU_CLONES
void dropout(const BFloat16* input, BFloat16* output, std::int64_t rows, std::int64_t width,
             const std::int64_t* row_ids, std::int64_t first_row, std::int64_t first_column, double p, PhiloxKey key) {
  dropout_rows(input, output, rows, width, row_ids, first_row, first_column, p, key);
}

void fill_uniform(float* values, std::int64_t count, std::int64_t first, float low, float high, PhiloxKey key) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::uint64_t>(first + i);
    values[i] = uniform_number(uniform_words(index, key)[index & 3], low, high);
  }
}

}  // namespace polymoe::kernels
