#include "polymoe/parallel/row_flight.h"

#include <utility>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct FlightHolder : torch::CustomClassHolder {
  explicit FlightHolder(std::shared_ptr<RowFlight> given) : flight(std::move(given)) {}
  std::shared_ptr<RowFlight> flight;
};

void keep(AutogradContext* ctx, std::shared_ptr<RowFlight> flight) {
  ctx->saved_data["flight"] = c10::IValue::make_capsule(c10::make_intrusive<FlightHolder>(std::move(flight)));
}

RowFlight& kept(AutogradContext* ctx) {
  return *static_cast<FlightHolder*>(ctx->saved_data["flight"].toCapsule().get())->flight;
}

at::Tensor land(RowFlight& flight) {
  RowsUnderWay arrived = std::move(flight.under_way);
  if (arrived.pending) arrived.pending->wait();
  return arrived.received;
}

class Departure : public torch::autograd::Function<Departure> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& rows, std::shared_ptr<RowFlight> flight) {
    // A tensor of its own on the same memory: the flight, which this node keeps, must not keep this node.
    at::Tensor received = flight->under_way.received.variable_data();
    keep(ctx, std::move(flight));
    return received;
  }
  // The gradient comes with the flight; what arrives along the graph only says that it has departed.
  static variable_list backward(AutogradContext* ctx, const variable_list& /*grads*/) { return {land(kept(ctx)), {}}; }
};

class Arrival : public torch::autograd::Function<Arrival> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& departed, std::shared_ptr<RowFlight> flight,
                            const RowMap& unpack) {
    const at::Tensor received = land(*flight);
    ctx->saved_data["shape"] = departed.sizes().vec();
    at::Tensor rows = unpack ? unpack(received) : received;
    keep(ctx, std::move(flight));
    return rows;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    RowFlight& flight = kept(ctx);
    flight.under_way = flight.exchange->start(grads[0].contiguous(), flight.receive, flight.send);
    const at::Tensor nothing = at::zeros({1}, grads[0].options());
    return {nothing.expand(ctx->saved_data["shape"].toIntVector()), {}, {}};
  }
};

}  // namespace

at::Tensor depart(const at::Tensor& rows, std::shared_ptr<RowFlight> flight) {
  return Departure::apply(rows, std::move(flight));
}

at::Tensor arrive(const at::Tensor& departed, std::shared_ptr<RowFlight> flight, const RowMap& unpack) {
  return Arrival::apply(departed, std::move(flight), unpack);
}

}  // namespace polymoe
