#include "polymoe/optim/square_sum.h"

#include "polymoe/kernels/cpu/adam.h"
#include "polymoe/kernels/cuda/sum_of_squares.h"
#include "polymoe/tensor/gpu.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

void SquareSum::add(const at::Tensor& values) {
  if (values.is_cpu()) {
    with_elements(values, [&](auto element) {
      on_cpu_ += kernels::sum_of_squares(elements<decltype(element)>(values), values.numel());
    });
    return;
  }
  if constexpr (kernels::cuda::kBuilt) {
    if (has_gpu_kernel(values)) {
      if (!parts_.defined()) parts_ = at::zeros({kernels::cuda::kSquareParts}, values.options().dtype(at::kDouble));
      with_elements(values, [&](auto element) {
        kernels::cuda::add_sum_of_squares(elements<decltype(element)>(values), values.numel(),
                                          parts_.mutable_data_ptr<double>(), gpu_stream(values));
      });
      return;
    }
  }
  const at::Tensor sum = values.to(at::kFloat).square().sum(at::kDouble).view({1});
  parts_ = parts_.defined() ? parts_ + sum : sum;
}

double SquareSum::total() const { return on_cpu_ + (parts_.defined() ? parts_.sum().item<double>() : 0.0); }

}  // namespace polymoe
