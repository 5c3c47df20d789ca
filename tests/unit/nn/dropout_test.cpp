#include "polymoe/nn/dropout.h"

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

constexpr PhiloxKey kKey{123, 456};

// Columns are drawn in chunks of 128: a part that begins and ends within one.
const MaskPlace kPlace{.first_row = 3, .first_column = 37};

at::Tensor mask_on_cpu() { return counter_dropout(at::ones({20, 150}), 0.25, kKey, kPlace); }

TEST(CounterDropout, EveryTypeDropsTheSameElementsOnEveryDevice) {
  const at::Tensor mask = mask_on_cpu();
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
    const at::Tensor got = counter_dropout(on_device(at::ones({20, 150}, type)), 0.25, kKey, kPlace).cpu();
    EXPECT_EQ(got.scalar_type(), type);
    EXPECT_TRUE(at::equal(got, mask.to(type))) << type;
  }
}

TEST(CounterDropout, GradientsPassTheSameMask) {
  const at::Tensor x = on_device(at::randn({20, 150})).requires_grad_();
  const at::Tensor scale = on_device(at::randn({20, 150}));
  (counter_dropout(x, 0.25, kKey, kPlace) * scale).sum().backward();
  EXPECT_TRUE(at::equal(x.grad().cpu(), mask_on_cpu() * scale.cpu()));
}

TEST(CounterDropout, InPlaceItIsTheSame) {
  const at::Tensor x = on_device(at::randn({20, 150}));
  at::Tensor y = x.clone();
  counter_dropout_(y, 0.25, kKey, kPlace);
  EXPECT_TRUE(at::equal(y, counter_dropout(x, 0.25, kKey, kPlace)));
  EXPECT_FALSE(at::equal(y, x));
}

TEST(CounterDropout, NamedRowsUseTheirNames) {
  // Names are of host memory on every device: the mask is made there.
  const MaskPlace named{.row_ids = at::tensor({12, 10}, at::kLong)};
  const at::Tensor got = counter_dropout(on_device(at::ones({2, 64})), 0.5, kKey, named).cpu();
  const at::Tensor rows = counter_dropout(at::ones({3, 64}), 0.5, kKey, {.first_row = 10});
  EXPECT_TRUE(at::equal(got, at::stack({rows[2], rows[0]})));
}

}  // namespace
}  // namespace polymoe
