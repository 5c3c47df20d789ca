#include "polymoe/tensor/file_tier.h"

#include <gtest/gtest.h>

#include "polymoe/tensor/buffer.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

constexpr std::int64_t kCount = 1000, kBytes = 4 * kCount;

// Buffers 0, 1, 2, ..., each full of its number, in a tier that keeps the memory of two.
struct Buffers {
  explicit Buffers(int count) : tier(folder.path()) {
    tier.widen_window(2 * kBytes);
    for (int i = 0; i < count; ++i) {
      all.push_back(at::full({kCount}, static_cast<float>(i)));
      tier.take_in(all.back());
    }
  }
  const at::Tensor& operator[](int i) const { return all[static_cast<std::size_t>(i)]; }
  void expect(int i, float value) {
    const at::Tensor& buffer = (*this)[i];
    use_buffers(&tier, {{buffer, Access::kRead}}, [&] { EXPECT_TRUE(at::equal(buffer, at::full({kCount}, value))); });
  }
  int in_memory() const {
    int count = 0;
    for (const at::Tensor& buffer : all) count += has_memory(buffer) ? 1 : 0;
    return count;
  }

  testing::TemporaryFolder folder;
  FileTier tier;
  std::vector<at::Tensor> all;
};

TEST(FileTier, KeepsContentsAndNoMoreMemoryThanItsWindow) {
  Buffers buffers(6);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 6; ++i) {
      use_buffers(&buffers.tier, {{buffers[i], Access::kWrite}}, [&] {
        EXPECT_EQ(buffers[i][0].item<float>(), static_cast<float>(i + 10 * round));
        buffers[i].add_(10);
        EXPECT_LE(buffers.in_memory(), 3);
      });
      EXPECT_LE(buffers.in_memory(), 2);
    }
  }
  for (int i = 0; i < 6; ++i) buffers.expect(i, static_cast<float>(i + 30));
}

TEST(FileTier, WritesWhatChangedAndReadsWhatIsNotInMemory) {
  Buffers buffers(4);
  EXPECT_EQ(buffers.tier.bytes(), 4 * kBytes);
  EXPECT_EQ(buffers.tier.bytes_written(), 4 * kBytes);
  EXPECT_EQ(buffers.tier.bytes_read(), 0);
  buffers.expect(3, 3);  // still in memory
  buffers.expect(0, 0);
  buffers.expect(1, 1);
  EXPECT_EQ(buffers.tier.bytes_read(), 2 * kBytes);
  EXPECT_EQ(buffers.tier.bytes_written(), 4 * kBytes) << "nothing changed";
}

TEST(FileTier, APrefetchedBufferIsReadOnce) {
  Buffers buffers(4);
  buffers.tier.prefetch(buffers[0]);
  buffers.tier.prefetch(buffers[0]);
  buffers.expect(0, 0);
  EXPECT_EQ(buffers.tier.bytes_read(), kBytes);
}

TEST(FileTier, AClearedBufferIsZeroWithoutBytesMoved) {
  Buffers buffers(4);
  buffers.tier.clear(buffers[0]);  // in the file
  buffers.tier.clear(buffers[3]);  // in memory
  buffers.expect(0, 0);
  buffers.expect(3, 0);
  buffers.expect(1, 1);
  buffers.expect(2, 2);
  buffers.expect(3, 0);  // came and went
  EXPECT_EQ(buffers.tier.bytes_read(), 2 * kBytes) << "buffers 1 and 2";
  EXPECT_EQ(buffers.tier.bytes_written(), 4 * kBytes) << "when they were taken in";
}

TEST(FileTier, UsesMayBeNested) {
  Buffers buffers(4);
  use_buffers(&buffers.tier, {{buffers[0], Access::kRead}, {buffers[0], Access::kWrite}}, [&] {
    buffers.expect(0, 0);
    buffers[0].fill_(7);
  });
  buffers.expect(1, 1);
  buffers.expect(2, 2);
  buffers.expect(0, 7);
}

TEST(FileTier, LeavesOtherTensorsAlone) {
  Buffers buffers(1);
  const at::Tensor other = at::ones({3});
  EXPECT_FALSE(buffers.tier.has(other));
  buffers.tier.prefetch(other);
  use_buffers(&buffers.tier, {{other, Access::kWrite}}, [&] { other.fill_(2); });
  use_buffers(nullptr, {{other, Access::kWrite}}, [&] { other.add_(1); });
  EXPECT_EQ(other[0].item<float>(), 3);
}

}  // namespace
}  // namespace polymoe
