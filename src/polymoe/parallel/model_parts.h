#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/comm/communicator.h"
#include "polymoe/comm/parts.h"

namespace polymoe {

// How rows are shared by the members of a tensor group. All functions cross autograd, and each one's backward is
// another one of them. `counts` [members] are the rows of each member's part.

/// all [sum of counts, width], the same on all members -> the own rows, all.index_select(0, order) cut by `counts`:
/// `order` lists the rows of member 0, then those of member 1, ... Backward gathers.
at::Tensor take_part(const at::Tensor& all, const at::Tensor& order, const std::vector<std::int64_t>& counts,
                     Communicator& group);
/// The own part [counts[rank], width] -> all rows, in the order that take_part() took them from. What follows computes
/// the same on all members, so backward takes the own part of the gradient, without a sum.
at::Tensor gather_parts(const at::Tensor& part, const at::Tensor& order, const std::vector<std::int64_t>& counts,
                        Communicator& group);

/// The own part -> all rows, one member's after the other's. What follows computes partial results on each member, so
/// backward sums.
at::Tensor gather_for_slices(const at::Tensor& part, const std::vector<std::int64_t>& counts, Communicator& group);
/// Partial results for all rows, one member's after the other's -> the sum for the own rows. Backward gathers.
at::Tensor sum_of_slices(const at::Tensor& partial, const std::vector<std::int64_t>& counts, Communicator& group);

}  // namespace polymoe
