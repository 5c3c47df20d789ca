#include "polymoe/nn/packing.h"

#include <gtest/gtest.h>
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

TEST(Packing, PlacesTokensRowAfterRow) {
  const Packing packing = make_packing({2, 3, 1}, 3, test_device());
  EXPECT_EQ(packing.tokens, 6);
  EXPECT_TRUE(packing.has_padding());
  EXPECT_TRUE(at::equal(packing.positions.cpu(), at::tensor({0, 1, 0, 1, 2, 0}, at::kLong)));
  EXPECT_TRUE(at::equal(packing.padded.cpu(), at::tensor({0, 1, 3, 4, 5, 6}, at::kLong)));
  EXPECT_TRUE(
      at::equal(pack_ids({5, 6, 1, 7, 8, 9, 4, 1, 1}, packing).cpu(), at::tensor({5, 6, 7, 8, 9, 4}, at::kLong)));
}

TEST(Packing, UnpadUndoesPadAndPaddingIsZero) {
  const Packing packing = make_packing({2, 3, 1}, 3, test_device());
  const at::Tensor x = on_device(at::randn({6, 4}));
  const at::Tensor padded = pad(x, packing);
  EXPECT_TRUE(at::equal(unpad(padded, packing), x));
  EXPECT_EQ(padded[0][2].abs().sum().item<float>(), 0.0f);
  EXPECT_EQ(padded[2].slice(0, 1).abs().sum().item<float>(), 0.0f);
}

TEST(Packing, GradientsGoThroughPadAndUnpad) {
  const Packing packing = make_packing({2, 1}, 2, test_device());
  const at::Tensor x = on_device(at::randn({3, 4})).requires_grad_();
  const at::Tensor scale = on_device(at::randn({2, 2, 4}));
  unpad(pad(x, packing) * scale, packing).sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), unpad(scale, packing)));
}

}  // namespace
}  // namespace polymoe
