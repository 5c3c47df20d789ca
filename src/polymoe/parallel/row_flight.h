#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/parallel/linear_map.h"
#include "polymoe/parallel/row_exchange.h"

namespace polymoe {

/// Rows on their way to other members, and their gradients on the way back. Departure and arrival are two autograd
/// nodes, so that other work goes on between them: in forward what stands between depart() and arrive(), in backward
/// what does so in reverse, for the gradient departs where the rows arrived.
struct RowFlight {
  RowExchange* exchange = nullptr;
  std::vector<std::int64_t> send, receive;  ///< rows to and from each member; `receive` may become known at the arrival
  RowsUnderWay under_way;                   ///< started by whoever made the flight
};

/// What arrive() takes: stands in for `rows`, whose exchange `flight` has begun.
at::Tensor depart(const at::Tensor& rows, std::shared_ptr<RowFlight> flight);

/// Waits for the rows. `unpack` makes the rows [sum of receive, width] of what arrived; none: that is the rows.
at::Tensor arrive(const at::Tensor& departed, std::shared_ptr<RowFlight> flight, const RowMap& unpack = {});

}  // namespace polymoe
