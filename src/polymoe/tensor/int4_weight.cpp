#include "polymoe/tensor/int4_weight.h"

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/base/error.h"
#include "polymoe/kernels/cpu/packed_product.h"

namespace polymoe {

std::int64_t int4_groups(std::int64_t inputs) { return kernels::scale_groups_of(inputs); }

Int4Weight quantize_int4(const at::Tensor& weight) {
  const std::int64_t outputs = weight.size(0), inputs = weight.size(1), groups = int4_groups(inputs);
  if (inputs % 2 != 0) fail("int4 weights are kept in pairs, and a matrix has {} inputs", inputs);
  const at::Tensor padded = at::constant_pad_nd(weight.to(at::kFloat), {0, groups * kernels::kScaleGroup - inputs});
  const at::Tensor grouped = padded.view({outputs, groups, kernels::kScaleGroup});
  const at::Tensor extreme = grouped.gather(2, grouped.abs().argmax(2, /*keepdim=*/true));
  const at::Tensor scales = (extreme / -8.0).to(at::kBFloat16);  // what divides is what will multiply
  const at::Tensor wide = scales.to(at::kFloat);
  if (!at::isfinite(wide).all().item<bool>()) fail("a weight is not a finite number: it cannot be rounded to int4");
  const at::Tensor steps = grouped / at::where(wide == 0.0, at::ones_like(wide), wide);
  const at::Tensor values = (at::round(steps) + 8.0).clamp(0, 15).to(at::kByte);
  const at::Tensor pairs = values.view({outputs, -1}).narrow(1, 0, inputs).view({outputs, inputs / 2, 2});
  const at::Tensor packed = pairs.select(2, 0).bitwise_or(pairs.select(2, 1).bitwise_left_shift(4));
  return {packed.contiguous(), scales.squeeze(2).contiguous()};
}

}  // namespace polymoe
