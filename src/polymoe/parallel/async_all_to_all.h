#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/parallel/linear_map.h"
#include "polymoe/parallel/row_all_to_all.h"

namespace polymoe {

/// Rows on their way to other members, and their gradients on the way back. Departure and arrival are two autograd
/// nodes, so that other work goes on between them: in forward what stands between start_all_to_all() and
/// finish_all_to_all(), in backward what does so in reverse, for the gradient departs where the rows arrived.
struct AsyncAllToAll {
  RowAllToAll* exchange = nullptr;
  std::vector<std::int64_t> send, receive;  ///< rows to and from each member; `receive` may become known at the arrival
  RowsUnderWay under_way;                   ///< started by whoever made the transfer
};

/// What finish_all_to_all() takes: stands in for `rows`, whose exchange `transfer` has begun.
at::Tensor start_all_to_all(const at::Tensor& rows, std::shared_ptr<AsyncAllToAll> transfer);

/// Waits for the rows. `unpack` makes the rows [sum of receive, width] of what arrived; none: that is the rows.
at::Tensor finish_all_to_all(const at::Tensor& departed, std::shared_ptr<AsyncAllToAll> transfer,
                             const RowMap& unpack = {});

}  // namespace polymoe
