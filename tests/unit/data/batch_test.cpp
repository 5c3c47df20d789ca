#include "polymoe/data/batch.h"

#include <gtest/gtest.h>

namespace polymoe {
namespace {

TEST(MicroBatch, PadsRowsAndShiftsTheTargetBehindItsTag) {
  Example first;
  first.source = {10, 11, 2};
  first.target = {20, 2};
  first.start = 5;
  first.target_language = 1;
  Example second;
  second.source = {12, 2};
  second.target = {21, 22, 2};
  second.start = 6;
  const MicroBatch batch = make_micro_batch({first, second}, 1);
  EXPECT_EQ(batch.rows, 2);
  EXPECT_EQ(batch.source, (std::vector<std::int32_t>{10, 11, 2, 12, 2, 1}));
  EXPECT_EQ(batch.target_input, (std::vector<std::int32_t>{5, 20, 1, 6, 21, 22}));
  EXPECT_EQ(batch.target_output, (std::vector<std::int32_t>{20, 2, 1, 21, 22, 2}));
  EXPECT_EQ(batch.source_tokens(), 5);
  EXPECT_EQ(batch.target_tokens(), 5);
  EXPECT_EQ(batch.target_languages, (std::vector<std::int32_t>{1, 0}));
}

}  // namespace
}  // namespace polymoe
