#include "polymoe/nn/moe/slot_rows.h"

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

// 40 tokens with up to two slots each; the assignments whose number 3 divides were dropped.
struct Slots {
  at::Tensor slot_of = at::full({40, 2}, -1, at::kLong);
  std::int64_t count = 0;

  Slots() {
    const at::Tensor order = at::randperm(80);
    for (std::int64_t i = 0; i < 80; ++i) {
      const std::int64_t assignment = order[i].item<std::int64_t>();
      if (assignment % 3 != 0) slot_of.view(-1)[assignment] = count++;
    }
  }
};

TEST(SlotRows, WithoutTheKernelTheBitsOfBfloat16AreTheSame) {
  torch::manual_seed(3);
  const Slots slots;
  const at::Tensor rows = at::randn({slots.count, 33}).to(at::kBFloat16);
  const at::Tensor grad = at::randn({40, 33}).to(at::kBFloat16);
  const at::Tensor weights = at::rand({40, 2});
  const at::Tensor far_rows = on_device(rows), far_weights = on_device(weights), far_slots = on_device(slots.slot_of);
  // Two products in float32, one sum, one rounding: nothing is left to the order.
  EXPECT_TRUE(at::equal(combine_slots(rows, weights, slots.slot_of),
                        combine_slots_without_kernel(far_rows, far_weights, far_slots).cpu()));
  EXPECT_TRUE(
      at::equal(combine_slots(rows, {}, slots.slot_of), combine_slots_without_kernel(far_rows, {}, far_slots).cpu()));
  const CombineGradients kernel = combine_slots_backward(grad, rows, weights, slots.slot_of);
  const CombineGradients plain =
      combine_slots_backward_without_kernel(on_device(grad), far_rows, far_weights, far_slots);
  EXPECT_TRUE(at::equal(kernel.slots, plain.slots.cpu()));
  EXPECT_EQ(plain.weights.scalar_type(), at::kFloat);
  // Sums of 33 products in float32, in another order. In bfloat16 they would be off by 1e-2.
  EXPECT_TRUE(at::allclose(kernel.weights, plain.weights.cpu(), 1e-5, 1e-5));
}

// The assignments of 40 tokens, none to four each: the table's [40, 4] without those that are missing.
TEST(SlotRows, TokensMayHaveUnequallyManySlots) {
  torch::manual_seed(5);
  at::Tensor table = at::full({40, 4}, -1, at::kLong), begin = at::zeros({41}, at::kLong);
  std::vector<std::int64_t> list;
  for (std::int64_t token = 0; token < 40; ++token) {
    for (std::int64_t choice = 0; choice < token * 7 % 5; ++choice) {
      const auto slot = static_cast<std::int64_t>(list.size());
      list.push_back((token + choice) % 6 == 0 ? -1 : slot);
      table[token][choice] = list.back();
    }
    begin[token + 1] = static_cast<std::int64_t>(list.size());
  }
  const auto count = static_cast<std::int64_t>(list.size());
  const at::Tensor slot_of = at::tensor(list, at::kLong);
  const at::Tensor rows = at::randn({count, 70}), grad = at::randn({40, 70}), weights = at::rand({count});
  at::Tensor weight_table = at::zeros({40, 4});
  for (std::int64_t token = 0, a = 0; token < 40; ++token) {
    for (std::int64_t choice = 0; choice < token * 7 % 5; ++choice) weight_table[token][choice] = weights[a++];
  }
  const at::Tensor expected = combine_slots_without_kernel(rows, weight_table, table);
  // Up to four products in float32, in another order.
  EXPECT_TRUE(at::allclose(combine_slots(rows, weights, slot_of, begin), expected, 1e-5, 1e-6));
  const at::Tensor far =
      combine_slots_without_kernel(on_device(rows), on_device(weights), on_device(slot_of), on_device(begin));
  EXPECT_TRUE(at::allclose(far.cpu(), expected, 1e-5, 1e-6));
  const CombineGradients kernel = combine_slots_backward(grad, rows, weights, slot_of, begin);
  const CombineGradients plain = combine_slots_backward_without_kernel(grad, rows, weights, slot_of, begin);
  const at::Tensor in_use = slot_of.masked_select(slot_of >= 0);
  EXPECT_TRUE(at::equal(kernel.slots.index_select(0, in_use), plain.slots.index_select(0, in_use)));
  EXPECT_TRUE(at::allclose(kernel.weights, plain.weights, 1e-5, 1e-5));
}

TEST(SlotRows, ManySmallAddendsAreNotLostInFloat16) {
  // 1 + 64 x 2^-11: in float16 each addend alone would be rounded away.
  const at::Tensor rows = at::full({65, 1}, 1.0 / 2048).to(at::kHalf);
  rows[0] = 1.0;
  const at::Tensor slot_of = at::arange(65).view({1, 65});
  const float sum = combine_slots(on_device(rows), {}, on_device(slot_of)).item<float>();
  EXPECT_EQ(sum, 1.0f + 64.0f / 2048);
}

TEST(SlotRows, ATokenWithoutASlotGetsZerosOnEveryPath) {
  const at::Tensor slot_of = at::tensor({-1, 0, -1}, at::kLong).view({3, 1});
  const at::Tensor rows = at::ones({1, 4}), weights = at::full({3, 1}, 0.5);
  for (const at::Tensor& y :
       {combine_slots(rows, weights, slot_of), combine_slots_without_kernel(rows, weights, slot_of)}) {
    EXPECT_TRUE(at::equal(y, at::tensor({0.0f, 0.5f, 0.0f}).unsqueeze(1).expand({3, 4})));
  }
  const at::Tensor nobody = at::full({3, 1}, -1, at::kLong);
  EXPECT_TRUE(at::equal(combine_slots_without_kernel(at::empty({0, 4}), weights, nobody), at::zeros({3, 4})));
}

}  // namespace
}  // namespace polymoe
