#include "polymoe/inference/packed_linear.h"

#include <algorithm>
#include <utility>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

using kernels::BFloat16;
using kernels::kPanel;

// Products below that many multiplications are done sooner than a thread wakes up.
constexpr std::int64_t kWorkOfAThread = std::int64_t{1} << 18;

template <typename T>
AlignedArray<T> packed(const at::Tensor& weight, at::ScalarType type) {
  const std::int64_t outputs = weight.size(0), inputs = weight.size(1);
  const at::Tensor values = weight.to(type).contiguous();
  AlignedArray<T> to(kernels::panels_of(outputs) * inputs * kPanel);
  kernels::pack_weight(static_cast<const T*>(values.const_data_ptr()), outputs, inputs, to.data());
  return to;
}

}  // namespace

PackedLinear::PackedLinear(const LinearWeight& source, WeightFormat format)
    : inputs_(source.weight.size(1)), outputs_(source.weight.size(0)) {
  const auto& [weight, scales, bias] = source;
  if (bias.defined()) bias_ = copy_of<float>(bias.to(at::kFloat));
  if (weight.scalar_type() == at::kChar) {
    pack({weight, scales});
    return;
  }
  switch (format) {
    case WeightFormat::kFloat32:
      weight_ = packed<float>(weight, at::kFloat);
      return;
    case WeightFormat::kBFloat16:
      weight_ = packed<BFloat16>(weight, at::kBFloat16);
      return;
    case WeightFormat::kInt8:
      pack(quantize_int8(weight));
      return;
  }
}

void PackedLinear::pack(const Int8Weight& weight) {
  const std::int64_t groups = kernels::groups_of(inputs_), panels = kernels::panels_of(outputs_);
  Int8 int8{AlignedArray<std::int8_t>(panels * groups * kernels::kGroup * kPanel),
            copy_of<float>(weight.scales.to(at::kFloat)), AlignedArray<std::int32_t>(panels * kPanel)};
  const at::Tensor values = weight.values.contiguous();
  kernels::pack_weight(values.const_data_ptr<std::int8_t>(), outputs_, inputs_, int8.packed.data(),
                       int8.corrections.data());
  weight_ = std::move(int8);
}

std::int64_t PackedLinear::bytes() const {
  const std::int64_t floats = static_cast<std::int64_t>(sizeof(float));
  std::int64_t total = bias_.size() * floats;
  if (const auto* wide = std::get_if<AlignedArray<float>>(&weight_)) total += wide->size() * floats;
  if (const auto* half = std::get_if<AlignedArray<BFloat16>>(&weight_)) {
    total += half->size() * static_cast<std::int64_t>(sizeof(BFloat16));
  }
  if (const auto* int8 = std::get_if<Int8>(&weight_)) {
    total += int8->packed.size() + (int8->scales.size() + int8->corrections.size()) * floats;
  }
  return total;
}

void PackedLinear::run(const float* x, std::int64_t rows, kernels::ProductEnd end, float* y,
                       Workspace& workspace) const {
  if (bias_.size() > 0) end.bias = bias_.data();
  const std::int64_t panels = kernels::panels_of(outputs_);
  const std::int64_t grain = std::max<std::int64_t>(1, kWorkOfAThread / (rows * inputs_ * kPanel));
  if (const auto* int8 = std::get_if<Int8>(&weight_)) {
    std::uint8_t* values = workspace.quantized(rows * kernels::groups_of(inputs_) * kernels::kGroup);
    float* scales = workspace.scales(rows);
    kernels::quantize_rows(x, rows, inputs_, values, scales);
    const kernels::QuantizedWeight weight{int8->packed.data(), int8->scales.data(), int8->corrections.data()};
    at::parallel_for(0, panels, grain, [&](std::int64_t first, std::int64_t last) {
      kernels::packed_product(kernels::QuantizedRows{values, scales}, rows, weight, inputs_, outputs_, first, last, end,
                              y);
    });
    return;
  }
  const auto product = [&](const auto& weight) {
    at::parallel_for(0, panels, grain, [&](std::int64_t first, std::int64_t last) {
      kernels::packed_product(x, rows, weight.data(), inputs_, outputs_, first, last, end, y);
    });
  };
  if (const auto* wide = std::get_if<AlignedArray<float>>(&weight_)) return product(*wide);
  product(std::get<AlignedArray<BFloat16>>(weight_));
}

void PackedLinear::copy_row(std::int64_t output, float* row) const {
  const std::int64_t panel = output / kPanel, column = output % kPanel;
  if (const auto* int8 = std::get_if<Int8>(&weight_)) {
    const std::int8_t* from =
        int8->packed.data() + panel * kernels::groups_of(inputs_) * kernels::kGroup * kPanel + column * kernels::kGroup;
    const float scale = int8->scales.data()[output];
    for (std::int64_t i = 0; i < inputs_; ++i) {
      const std::int64_t group = i / kernels::kGroup;
      row[i] = scale * static_cast<float>(from[group * kernels::kGroup * kPanel + i % kernels::kGroup]);
    }
    return;
  }
  const auto copy = [&](const auto* weight) {
    const auto* from = weight + panel * inputs_ * kPanel + column;
    for (std::int64_t i = 0; i < inputs_; ++i) row[i] = kernels::to_float(from[i * kPanel]);
  };
  if (const auto* wide = std::get_if<AlignedArray<float>>(&weight_)) return copy(wide->data());
  copy(std::get<AlignedArray<BFloat16>>(weight_).data());
}

}  // namespace polymoe
