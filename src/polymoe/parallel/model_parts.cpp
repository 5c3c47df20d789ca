#include "polymoe/parallel/model_parts.h"

#include <numeric>

#include "polymoe/parallel/linear_map.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

using Counts = std::vector<std::int64_t>;

Counts elements(const Counts& counts, std::int64_t width) {
  Counts result = counts;
  for (std::int64_t& count : result) count *= width;
  return result;
}

std::int64_t begin_of(const Counts& counts, int rank) {
  return std::accumulate(counts.begin(), counts.begin() + rank, std::int64_t{0});
}

at::Tensor own_rows(const at::Tensor& rows, const Counts& counts, const Communicator& group) {
  return rows.narrow(0, begin_of(counts, group.rank()), counts[static_cast<std::size_t>(group.rank())]);
}

at::Tensor gather_rows(const at::Tensor& part, const Counts& counts, Communicator& group) {
  at::Tensor all = at::empty({begin_of(counts, group.size()), part.size(1)}, part.options());
  group.all_gather(part.contiguous(), all, elements(counts, part.size(1)));
  return all;
}

// Each row's partial results travel to the member that owns it, which adds them up (bfloat16 in float32).
at::Tensor sum_rows(const at::Tensor& partial, const Counts& counts, Communicator& group) {
  const std::int64_t width = partial.size(1), own = counts[static_cast<std::size_t>(group.rank())];
  at::Tensor received = at::empty({group.size(), own, width}, partial.options());
  const Counts receive(static_cast<std::size_t>(group.size()), own * width);
  group.all_to_all(partial.contiguous(), elements(counts, width), received, receive);
  return at::sum(received, 0);
}

RowMap taking(const at::Tensor& order, const Counts& counts, Communicator& group) {
  return [=, &group](const at::Tensor& all) { return all.index_select(0, own_rows(order, counts, group)); };
}

RowMap gathering(const at::Tensor& order, const Counts& counts, Communicator& group) {
  return [=, &group](const at::Tensor& part) {
    const at::Tensor rows = gather_rows(part, counts, group);
    return at::empty_like(rows).index_copy_(0, order, rows);
  };
}

}  // namespace

at::Tensor take_part(const at::Tensor& all, const at::Tensor& order, const Counts& counts, Communicator& group) {
  return linear_map(all, taking(order, counts, group), gathering(order, counts, group));
}

at::Tensor gather_parts(const at::Tensor& part, const at::Tensor& order, const Counts& counts, Communicator& group) {
  return linear_map(part, gathering(order, counts, group), taking(order, counts, group));
}

at::Tensor gather_for_slices(const at::Tensor& part, const Counts& counts, Communicator& group) {
  return linear_map(
      part, [=, &group](const at::Tensor& rows) { return gather_rows(rows, counts, group); },
      [=, &group](const at::Tensor& grad) { return sum_rows(grad, counts, group); });
}

at::Tensor sum_of_slices(const at::Tensor& partial, const Counts& counts, Communicator& group) {
  return linear_map(
      partial, [=, &group](const at::Tensor& rows) { return sum_rows(rows, counts, group); },
      [=, &group](const at::Tensor& grad) { return gather_rows(grad, counts, group); });
}

}  // namespace polymoe
