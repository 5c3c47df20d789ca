#include "polymoe/parallel/model_axis.h"

#include "polymoe/parallel/linear_map.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

RowMap sum_over(Communicator& group) {
  return [&group](const at::Tensor& x) {
    at::Tensor sum = x.detach().clone(at::MemoryFormat::Contiguous);
    group.all_reduce(sum);
    return sum;
  };
}

}  // namespace

at::Tensor GroupModelAxis::copy_to_region(const at::Tensor& x) {
  return linear_map(x, identity_map(), sum_over(group_));
}

at::Tensor GroupModelAxis::reduce_from_region(const at::Tensor& x) {
  return linear_map(x, sum_over(group_), identity_map());
}

}  // namespace polymoe
