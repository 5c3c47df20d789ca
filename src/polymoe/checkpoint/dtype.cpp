#include "polymoe/checkpoint/dtype.h"

#include <array>
#include <utility>

#include <ATen/core/Tensor.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"

namespace polymoe {
namespace {

constexpr std::array<std::pair<Dtype, c10::ScalarType>, 9> kPairs = {{{Dtype::kF64, c10::kDouble},
                                                                      {Dtype::kF32, c10::kFloat},
                                                                      {Dtype::kF16, c10::kHalf},
                                                                      {Dtype::kBF16, c10::kBFloat16},
                                                                      {Dtype::kI64, c10::kLong},
                                                                      {Dtype::kI32, c10::kInt},
                                                                      {Dtype::kI8, c10::kChar},
                                                                      {Dtype::kU8, c10::kByte},
                                                                      {Dtype::kBool, c10::kBool}}};

}  // namespace

c10::ScalarType scalar_type(Dtype dtype) { return kPairs[static_cast<std::size_t>(dtype)].second; }

TensorSpec spec_of(const std::string& name, const at::Tensor& value) {
  if (!value.defined() || value.layout() != c10::kStrided) fail("tensor {} holds no dense values", in_quotes(name));
  for (const auto& [dtype, scalar] : kPairs) {
    if (scalar == value.scalar_type()) return {name, dtype, value.sizes().vec()};
  }
  fail("tensor {} is of type {}, which a checkpoint cannot hold", in_quotes(name), c10::toString(value.scalar_type()));
}

}  // namespace polymoe
