#include "polymoe/parallel/linear_map.h"

#include <utility>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Adjoint : torch::CustomClassHolder {
  explicit Adjoint(RowMap given) : map(std::move(given)) {}
  RowMap map;
};

class LinearMap : public torch::autograd::Function<LinearMap> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const RowMap& forward, RowMap adjoint) {
    ctx->saved_data["adjoint"] = c10::IValue::make_capsule(c10::make_intrusive<Adjoint>(std::move(adjoint)));
    return forward(x);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto capsule = ctx->saved_data["adjoint"].toCapsule();
    return {static_cast<Adjoint*>(capsule.get())->map(grads[0].contiguous()), {}, {}};
  }
};

}  // namespace

at::Tensor linear_map(const at::Tensor& x, const RowMap& forward, RowMap adjoint) {
  return LinearMap::apply(x, forward, std::move(adjoint));
}

RowMap identity_map() {
  return [](const at::Tensor& x) { return x.view_as(x); };
}

}  // namespace polymoe
