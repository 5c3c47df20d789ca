#include "polymoe/nn/packing.h"

#include <limits>

#include "polymoe/tensor/host_copy.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

at::Tensor scatter_rows(const at::Tensor& rows, const at::Tensor& index, std::int64_t count) {
  return at::zeros({count, rows.size(1)}, rows.options()).index_copy_(0, index, rows);
}

// pad and unpad move rows and are each other's backward.
class PadFunction : public torch::autograd::Function<PadFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& packed, const at::Tensor& index,
                            std::int64_t count) {
    ctx->save_for_backward({index});
    return scatter_rows(packed, index, count);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    return {grads[0].index_select(0, ctx->get_saved_variables()[0]), {}, {}};
  }
};

class UnpadFunction : public torch::autograd::Function<UnpadFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& padded, const at::Tensor& index) {
    ctx->save_for_backward({index});
    ctx->saved_data["count"] = padded.size(0);
    return padded.index_select(0, index);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const at::Tensor index = ctx->get_saved_variables()[0];
    return {scatter_rows(grads[0].contiguous(), index, ctx->saved_data["count"].toInt()), {}};
  }
};

}  // namespace

Packing make_packing(const std::vector<std::int32_t>& lengths, std::int64_t length, const at::Device& device) {
  Packing packing;
  packing.rows = static_cast<std::int64_t>(lengths.size());
  packing.length = length;
  for (const std::int32_t row_length : lengths) packing.tokens += row_length;

  const auto int64_cpu = at::TensorOptions().dtype(at::kLong);
  at::Tensor positions = at::empty({packing.tokens}, int64_cpu);
  at::Tensor padded = at::empty({packing.tokens}, int64_cpu);
  at::Tensor row_begins = at::zeros({packing.rows + 1}, at::kInt);
  auto* position = positions.mutable_data_ptr<std::int64_t>();
  auto* place = padded.mutable_data_ptr<std::int64_t>();
  auto* begins = row_begins.mutable_data_ptr<std::int32_t>();
  for (std::int64_t row = 0; row < packing.rows; ++row) {
    for (std::int64_t i = 0; i < lengths[static_cast<std::size_t>(row)]; ++i) {
      *position++ = i;
      *place++ = row * length + i;
    }
    begins[row + 1] = begins[row] + lengths[static_cast<std::size_t>(row)];
  }
  packing.positions = send_to(positions, device);
  packing.padded = send_to(padded, device);
  packing.row_begins = send_to(row_begins, device);
  if (packing.has_padding()) {
    at::Tensor mask = at::full({packing.rows * length}, -std::numeric_limits<float>::infinity(), at::kFloat);
    mask.index_fill_(0, padded, 0.0);
    packing.mask = send_to(mask.view({packing.rows, 1, 1, length}), device);
  }
  return packing;
}

at::Tensor pack_ids(const std::vector<std::int32_t>& padded_ids, const Packing& packing) {
  const at::Tensor all =
      send_to(at::tensor(at::ArrayRef<std::int32_t>(padded_ids), at::kLong), packing.padded.device());
  return packing.has_padding() ? all.index_select(0, packing.padded) : all;
}

at::Tensor pad(const at::Tensor& packed, const Packing& packing) {
  const std::int64_t width = packed.size(1);
  const std::int64_t count = packing.rows * packing.length;
  const at::Tensor rows = packing.has_padding() ? PadFunction::apply(packed, packing.padded, count) : packed;
  return rows.view({packing.rows, packing.length, width});
}

at::Tensor unpad(const at::Tensor& padded, const Packing& packing) {
  const at::Tensor rows = padded.reshape({packing.rows * packing.length, padded.size(2)});
  return packing.has_padding() ? UnpadFunction::apply(rows, packing.padded) : rows;
}

}  // namespace polymoe
