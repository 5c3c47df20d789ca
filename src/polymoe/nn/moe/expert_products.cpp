#include "polymoe/nn/moe/expert_products.h"

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/segment.h"
#include "polymoe/nn/shared_products.h"

namespace polymoe {
namespace {

// Calls f(expert, first row, rows) for every expert with rows.
template <typename Function>
void for_each_expert(const at::Tensor& expert_begin, const Function& f) {
  const auto* begin = expert_begin.const_data_ptr<std::int64_t>();
  for (std::int64_t e = 0; e + 1 < expert_begin.size(0); ++e) {
    if (begin[e + 1] > begin[e]) f(e, begin[e], begin[e + 1] - begin[e]);
  }
}

// The products of all experts with rows.
template <typename Element, typename Function>
void share_experts(const at::Tensor& expert_begin, std::int64_t width, std::int64_t outputs, std::int64_t inputs,
                   const Function& f) {
  share_products(
      expert_begin.const_data_ptr<std::int64_t>(), expert_begin.size(0) - 1, width, outputs * inputs,
      [=](std::int64_t rows) { return kernels::expert_scratch<Element>(rows, outputs, inputs); }, f);
}

}  // namespace

void multiply_experts(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const at::Tensor& expert_begin, const at::Tensor& plan, at::Tensor& y) {
  const std::int64_t outputs = weight.size(1), inputs = weight.size(2);
  TORCH_CHECK(x.dim() == 2 && x.size(1) == inputs, "x ", x.sizes(), " for experts ", weight.sizes());
  if (has_own_products(x, outputs, inputs)) {
    with_elements(x, [&](auto element) {
      using Element = decltype(element);
      const auto *from = elements<Element>(x), *weights = elements<Element>(weight);
      const auto* biases = bias.defined() ? elements<Element>(bias) : nullptr;
      auto* to = mutable_elements<Element>(y);
      share_experts<Element>(expert_begin, outputs, outputs, inputs,
                             [&](std::int64_t e, std::int64_t row, std::int64_t rows, std::int64_t first,
                                 std::int64_t last, float* scratch) {
                               kernels::expert_forward(from + row * inputs, rows, weights + e * outputs * inputs,
                                                       outputs, inputs,
                                                       biases == nullptr ? nullptr : biases + e * outputs, first, last,
                                                       to + row * outputs, scratch);
                             });
    });
    return;
  }
  const auto* segments = reinterpret_cast<const kernels::Segment*>(plan.const_data_ptr<std::int64_t>());
  for (std::int64_t i = 0; i < plan.size(0); ++i) {
    const kernels::Segment& segment = segments[i];
    const at::Tensor in = x.narrow(0, segment.begin, segment.count);
    at::Tensor out = y.narrow(0, segment.begin, segment.count);
    if (bias.defined()) {
      at::addmm_out(out, bias[segment.expert], in, weight[segment.expert].t());
    } else {
      at::mm_out(out, in, weight[segment.expert].t());
    }
  }
}

void multiply_experts_backward(const at::Tensor& dy, const at::Tensor& weight, const at::Tensor& expert_begin,
                               at::Tensor& dx) {
  const std::int64_t outputs = weight.size(1), inputs = weight.size(2);
  if (has_own_products(dy, outputs, inputs)) {
    with_elements(dy, [&](auto element) {
      using Element = decltype(element);
      const auto *from = elements<Element>(dy), *weights = elements<Element>(weight);
      auto* to = mutable_elements<Element>(dx);
      share_experts<Element>(expert_begin, inputs, outputs, inputs,
                             [&](std::int64_t e, std::int64_t row, std::int64_t rows, std::int64_t first,
                                 std::int64_t last, float* scratch) {
                               kernels::expert_backward(from + row * outputs, rows, weights + e * outputs * inputs,
                                                        outputs, inputs, first, last, to + row * inputs, scratch);
                             });
    });
    return;
  }
  for_each_expert(expert_begin, [&](std::int64_t e, std::int64_t first, std::int64_t count) {
    at::Tensor out = dx.narrow(0, first, count);
    at::mm_out(out, dy.narrow(0, first, count), weight[e]);
  });
}

void expert_weight_gradients(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& expert_begin, at::Tensor& dw,
                             at::Tensor& db) {
  const std::int64_t outputs = dw.size(1), inputs = dw.size(2);
  const auto* begin = expert_begin.const_data_ptr<std::int64_t>();
  for (std::int64_t e = 0; e < dw.size(0); ++e) {
    if (begin[e + 1] > begin[e]) continue;
    dw[e].zero_();
    db[e].zero_();
  }
  for_each_expert(expert_begin, [&](std::int64_t e, std::int64_t first, std::int64_t count) {
    at::Tensor sum = db[e];
    at::sum_out(sum, dy.narrow(0, first, count), 0);
  });
  if (has_own_products(dy, outputs, inputs)) {
    with_elements(dy, [&](auto element) {
      using Element = decltype(element);
      const auto *gradients = elements<Element>(dy), *from = elements<Element>(x);
      auto* to = mutable_elements<Element>(dw);
      share_experts<Element>(expert_begin, inputs, outputs, inputs,
                             [&](std::int64_t e, std::int64_t row, std::int64_t rows, std::int64_t first,
                                 std::int64_t last, float* scratch) {
                               kernels::expert_weight_gradient(gradients + row * outputs, outputs, from + row * inputs,
                                                               rows, outputs, inputs, first, last,
                                                               to + e * outputs * inputs, scratch);
                             });
    });
    return;
  }
  for_each_expert(expert_begin, [&](std::int64_t e, std::int64_t first, std::int64_t count) {
    at::Tensor product = dw[e];
    at::mm_out(product, dy.narrow(0, first, count).t(), x.narrow(0, first, count));
  });
}

}  // namespace polymoe
