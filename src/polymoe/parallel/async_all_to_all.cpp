#include "polymoe/parallel/async_all_to_all.h"

#include <utility>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct TransferHolder : torch::CustomClassHolder {
  explicit TransferHolder(std::shared_ptr<AsyncAllToAll> given) : transfer(std::move(given)) {}
  std::shared_ptr<AsyncAllToAll> transfer;
};

void keep(AutogradContext* ctx, std::shared_ptr<AsyncAllToAll> transfer) {
  ctx->saved_data["transfer"] = c10::IValue::make_capsule(c10::make_intrusive<TransferHolder>(std::move(transfer)));
}

AsyncAllToAll& kept(AutogradContext* ctx) {
  return *static_cast<TransferHolder*>(ctx->saved_data["transfer"].toCapsule().get())->transfer;
}

at::Tensor land(AsyncAllToAll& transfer) {
  RowsUnderWay arrived = std::move(transfer.under_way);
  if (arrived.pending) arrived.pending->wait();
  return arrived.received;
}

class Departure : public torch::autograd::Function<Departure> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& rows, std::shared_ptr<AsyncAllToAll> transfer) {
    // A tensor of its own on the same memory: the transfer, which this node keeps, must not keep this node.
    at::Tensor received = transfer->under_way.received.variable_data();
    keep(ctx, std::move(transfer));
    return received;
  }
  // The gradient comes with the transfer; what arrives along the graph only says that it has departed.
  static variable_list backward(AutogradContext* ctx, const variable_list& /*grads*/) { return {land(kept(ctx)), {}}; }
};

class Arrival : public torch::autograd::Function<Arrival> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& departed, std::shared_ptr<AsyncAllToAll> transfer,
                            const RowMap& unpack) {
    const at::Tensor received = land(*transfer);
    ctx->saved_data["shape"] = departed.sizes().vec();
    at::Tensor rows = unpack ? unpack(received) : received;
    keep(ctx, std::move(transfer));
    return rows;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    AsyncAllToAll& transfer = kept(ctx);
    transfer.under_way = transfer.exchange->start(grads[0].contiguous(), transfer.receive, transfer.send);
    const at::Tensor nothing = at::zeros({1}, grads[0].options());
    return {nothing.expand(ctx->saved_data["shape"].toIntVector()), {}, {}};
  }
};

}  // namespace

at::Tensor start_all_to_all(const at::Tensor& rows, std::shared_ptr<AsyncAllToAll> transfer) {
  return Departure::apply(rows, std::move(transfer));
}

at::Tensor finish_all_to_all(const at::Tensor& departed, std::shared_ptr<AsyncAllToAll> transfer,
                             const RowMap& unpack) {
  return Arrival::apply(departed, std::move(transfer), unpack);
}

}  // namespace polymoe
