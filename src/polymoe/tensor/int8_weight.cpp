#include "polymoe/tensor/int8_weight.h"

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/base/error.h"

namespace polymoe {

at::Tensor int8_scales(const at::Tensor& weight) {
  at::Tensor scales = weight.to(at::kFloat).abs().amax(1) / 127.0;
  if (!at::isfinite(scales).all().item<bool>()) fail("a weight is not a finite number: it cannot be rounded to int8");
  return scales;
}

Int8Weight quantize_int8(const at::Tensor& weight) {
  const at::Tensor wide = weight.to(at::kFloat);
  const at::Tensor scales = int8_scales(wide);
  const at::Tensor values = at::round(wide / scales.clamp_min(1e-30).unsqueeze(1)).clamp(-127, 127);
  return {values.to(at::kChar).contiguous(), scales.contiguous()};
}

}  // namespace polymoe
