#include "polymoe/inference/packed_linear.h"

#include <algorithm>
#include <utility>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/base/error.h"
#include "polymoe/base/thread_team.h"
#include "polymoe/tensor/int4_weight.h"
#include "polymoe/tensor/int8_weight.h"

namespace polymoe {
namespace {

using kernels::BFloat16;
using kernels::kPanel;

// Products below that many multiplications are done sooner than a thread wakes up.
constexpr std::int64_t kWorkOfAThread = std::int64_t{1} << 18;

template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;  // older compilers do not deduce it

template <typename... Arrays>
std::int64_t bytes_of(const Arrays&... arrays) {
  return (... + (arrays.size() * static_cast<std::int64_t>(sizeof(*arrays.data()))));
}

}  // namespace

bool LinearWeight::is_int8() const { return weight.scalar_type() == at::kChar; }
bool LinearWeight::is_int4() const { return weight.scalar_type() == at::kByte; }
std::int64_t LinearWeight::inputs() const { return weight.size(1) * (is_int4() ? 2 : 1); }

PackedLinear::PackedLinear(const LinearWeight& source, WeightFormat format)
    : inputs_(source.inputs()), outputs_(source.weight.size(0)) {
  if (source.bias.defined()) bias_ = copy_of<float>(source.bias.to(at::kFloat));
  pack(source, format);
}

void PackedLinear::pack(const LinearWeight& source, WeightFormat format) {
  const at::Tensor& weight = source.weight;
  if (source.is_int8()) return pack_int8(weight, source.scales);
  if (source.is_int4()) return pack_int4(weight, source.scales);
  switch (format) {
    case WeightFormat::kFloat32:
      return pack_wide<float>(weight, at::kFloat);
    case WeightFormat::kBFloat16:
      return pack_wide<BFloat16>(weight, at::kBFloat16);
    case WeightFormat::kInt8: {
      const Int8Weight rounded = quantize_int8(weight);
      return pack_int8(rounded.values, rounded.scales);
    }
    case WeightFormat::kInt4: {
      const Int4Weight rounded = quantize_int4(weight);
      return pack_int4(rounded.values, rounded.scales);
    }
  }
}

template <typename T>
void PackedLinear::pack_wide(const at::Tensor& weight, at::ScalarType type) {
  const at::Tensor values = weight.to(type).contiguous();
  Wide<T> wide{AlignedArray<T>(kernels::panels_of(outputs_) * inputs_ * kPanel)};
  kernels::pack_weight(static_cast<const T*>(values.const_data_ptr()), outputs_, inputs_, wide.packed.data());
  weight_ = std::move(wide);
}

void PackedLinear::pack_int8(const at::Tensor& values, const at::Tensor& scales) {
  const std::int64_t groups = kernels::groups_of(inputs_), panels = kernels::panels_of(outputs_);
  Int8 int8{AlignedArray<std::int8_t>(panels * groups * kernels::kGroup * kPanel),
            copy_of<float>(scales.to(at::kFloat)), AlignedArray<std::int32_t>(panels * kPanel),
            AlignedArray<std::uint16_t>(kernels::order_size(outputs_, inputs_))};
  kernels::pack_weight(values.contiguous().const_data_ptr<std::int8_t>(), outputs_, inputs_, int8.packed.data(),
                       int8.corrections.data(), int8.order.data());
  weight_ = std::move(int8);
}

void PackedLinear::pack_int4(const at::Tensor& values, const at::Tensor& scales) {
  const std::int64_t groups = kernels::scale_groups_of(inputs_), panels = kernels::panels_of(outputs_);
  Int4 int4{AlignedArray<std::uint8_t>(panels * groups * kernels::kScaleGroup * kPanel / 2),
            AlignedArray<BFloat16>(panels * groups * kPanel)};
  const at::Tensor halves = scales.to(at::kBFloat16).contiguous();
  kernels::pack_weight(values.contiguous().const_data_ptr<std::uint8_t>(),
                       static_cast<const BFloat16*>(halves.const_data_ptr()), outputs_, inputs_, int4.packed.data(),
                       int4.scales.data());
  weight_ = std::move(int4);
}

std::int64_t PackedLinear::bytes() const {
  const auto of_weight = Overloaded{
      [](const auto& wide) { return bytes_of(wide.packed); },
      [](const Int8& int8) { return bytes_of(int8.packed, int8.scales, int8.corrections, int8.order); },
      [](const Int4& int4) { return bytes_of(int4.packed, int4.scales); },
  };
  return bytes_of(bias_) + std::visit(of_weight, weight_);
}

void PackedLinear::run(const float* x, std::int64_t rows, kernels::ProductEnd end, float* y,
                       Workspace& workspace) const {
  if (bias_.size() > 0) end.bias = bias_.data();
  const std::int64_t grain = std::max<std::int64_t>(1, kWorkOfAThread / (rows * inputs_ * kPanel));
  const auto product = [&](const auto& inputs, const auto& weight) {
    ThreadTeam::share(kernels::panels_of(outputs_), grain, [&](std::int64_t first, std::int64_t last) {
      kernels::packed_product(inputs, rows, weight, inputs_, outputs_, first, last, end, y);
    });
  };
  const auto of_weight = Overloaded{
      [&](const auto& wide) { product(x, wide.packed.data()); },
      [&](const Int8& int8) {
        std::uint8_t* values = workspace.bytes(rows * kernels::groups_of(inputs_) * kernels::kGroup);
        float* scales = workspace.scales(rows);
        kernels::quantize_rows(x, rows, inputs_, values, scales);
        product(kernels::QuantizedRows{values, scales}, int8.weight());
      },
      [&](const Int4& int4) {
        const std::int64_t groups = kernels::scale_groups_of(inputs_);
        std::int8_t* values = workspace.signed_bytes(rows * groups * kernels::kScaleGroup);
        float* scales = workspace.scales(rows);
        std::int32_t* corrections = workspace.corrections(rows * groups);
        kernels::quantize_rows(x, rows, inputs_, values, scales, corrections);
        product(kernels::GroupedRows{values, scales, corrections},
                kernels::GroupedWeight{int4.packed.data(), int4.scales.data()});
      },
  };
  std::visit(of_weight, weight_);
}

void PackedLinear::copy_row(std::int64_t output, float* row) const {
  const std::int64_t panel = output / kPanel, column = output % kPanel;
  const auto of_weight = Overloaded{
      [&](const auto& wide) {
        const auto* from = wide.packed.data() + panel * inputs_ * kPanel + column;
        for (std::int64_t i = 0; i < inputs_; ++i) row[i] = kernels::to_float(from[i * kPanel]);
      },
      [&](const Int8& int8) { kernels::copy_row(int8.weight(), inputs_, output, row); },
      [&](const Int4&) { fail("an embedding has int4 weights, which are for experts"); },
  };
  std::visit(of_weight, weight_);
}

}  // namespace polymoe
