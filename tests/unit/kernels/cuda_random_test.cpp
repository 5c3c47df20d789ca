#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/kernels/cpu/dropout.h"
#include "polymoe/kernels/cuda/random_work.h"

namespace polymoe::kernels::cuda {
namespace {

TEST(CudaRandom, BlocksOfFourFillWhatTheCpuFills) {
  const PhiloxKey key{5, 6};
  for (const std::int64_t first : {std::int64_t{0}, std::int64_t{1}, std::int64_t{2}, std::int64_t{3}, std::int64_t{4},
                                   (std::int64_t{1} << 34) - 2}) {
    for (const std::int64_t count : {1, 2, 3, 4, 5, 8, 63, 66}) {
      std::vector<float> expected(static_cast<std::size_t>(count)), found(static_cast<std::size_t>(count), -9.0f);
      kernels::fill_uniform(expected.data(), count, first, -0.3f, 0.7f, key);
      for (std::int64_t block = 0; block < uniform_blocks(count, first); ++block) {
        fill_uniform_block(found.data(), count, first, -0.3f, 0.7f, key, block);
      }
      EXPECT_EQ(found, expected) << count << " from " << first;
    }
  }
}

}  // namespace
}  // namespace polymoe::kernels::cuda
