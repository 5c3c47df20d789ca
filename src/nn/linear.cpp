#include "nn/linear.h"

#include <cmath>

#include "nn/torch_headers.h"

#include "base/random.h"
#include "kernels/cpu/dropout.h"

namespace polymoe {

LinearImpl::LinearImpl(std::int64_t in, std::int64_t out, bool with_bias) {
  weight = register_parameter("weight", at::empty({out, in}));
  if (with_bias) bias = register_parameter("bias", at::empty({out}));
}

at::Tensor LinearImpl::forward(const at::Tensor& x) const { return at::linear(x, weight, bias); }

LayerNormImpl::LayerNormImpl(std::int64_t width) {
  weight = register_parameter("weight", at::empty({width}));
  bias = register_parameter("bias", at::empty({width}));
}

at::Tensor LayerNormImpl::forward(const at::Tensor& x) const {
  // The CPU's kernel takes float32 parameters beside bfloat16 values; other devices want one type.
  const bool mixed_kernel = x.is_cpu() || x.scalar_type() == weight.scalar_type();
  const at::Tensor w = mixed_kernel ? weight : weight.to(x.scalar_type());
  const at::Tensor b = mixed_kernel ? bias : bias.to(x.scalar_type());
  return at::layer_norm(x, {x.size(-1)}, w, b, 1e-5);
}

// A gate that starts nearly undecided lets every expert learn from the start (Fedus et al. 2022 take the same scale).
constexpr double kGateScale = 0.1;

void initialize(torch::nn::Module& module, std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  for (auto& item : module.named_parameters()) {
    const std::string& name = item.key();
    at::Tensor& parameter = item.value();
    const bool is_bias = name.size() >= 4 && name.compare(name.size() - 4, 4, "bias") == 0;
    const bool is_norm = name.find("norm") != std::string::npos;
    if (is_bias || is_norm) {
      parameter.fill_(is_bias ? 0.0 : 1.0);
      continue;
    }
    const double fan_out = static_cast<double>(parameter.size(-2));
    const double fan_in = static_cast<double>(parameter.size(-1));
    // A uniform number of variance 1 / hidden has the bound sqrt(3 / hidden).
    const bool is_embedding = name.find("embedding") != std::string::npos;
    double bound = is_embedding ? std::sqrt(3.0 / fan_in) : std::sqrt(6.0 / (fan_in + fan_out));
    if (name.find("gate") != std::string::npos) bound *= kGateScale;
    const PhiloxKey key = RandomStream(seed, fnv1a(name)).key();
    at::Tensor values = at::empty(parameter.sizes(), at::kFloat);
    float* data = values.mutable_data_ptr<float>();
    at::parallel_for(0, values.numel(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
      kernels::fill_uniform(data + begin, end - begin, begin, static_cast<float>(-bound), static_cast<float>(bound),
                            key);
    });
    parameter.copy_(values);
  }
}

}  // namespace polymoe
