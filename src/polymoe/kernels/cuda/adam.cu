#include "polymoe/kernels/adam_element.h"
#include "polymoe/kernels/cuda/adam.h"
#include "polymoe/kernels/cuda/launch.h"

namespace polymoe::kernels::cuda {
namespace {

// Four elements at a time where the addresses allow it; `rounded` may be null.
template <typename Gradient>
__global__ void adam_kernel(float* parameters, const Gradient* gradients, float* first_moments, float* second_moments,
                            BFloat16* rounded, std::int64_t count, AdamFactors factors) {
  using Four = Pack<float, 4>;
  using Gradients = Pack<Gradient, 4>;
  const bool aligned =
      ((reinterpret_cast<std::uintptr_t>(parameters) | reinterpret_cast<std::uintptr_t>(first_moments) |
        reinterpret_cast<std::uintptr_t>(second_moments)) %
           sizeof(Four) |
       reinterpret_cast<std::uintptr_t>(gradients) % sizeof(Gradients) |
       reinterpret_cast<std::uintptr_t>(rounded) % sizeof(Pack<BFloat16, 4>)) == 0;
  const std::int64_t packs = aligned ? count / 4 : 0;
  for (std::int64_t i = thread_of_grid(); i < packs; i += threads_of_grid()) {
    Four p = reinterpret_cast<Four*>(parameters)[i], m = reinterpret_cast<Four*>(first_moments)[i],
         v = reinterpret_cast<Four*>(second_moments)[i];
    const auto g = reinterpret_cast<const Gradients*>(gradients)[i];
    Pack<BFloat16, 4> low;
    for (int j = 0; j < 4; ++j) {
      p.values[j] = adam_element(p.values[j], to_float(g.values[j]), m.values[j], v.values[j], factors);
      from_float(p.values[j], low.values[j]);
    }
    reinterpret_cast<Four*>(parameters)[i] = p;
    reinterpret_cast<Four*>(first_moments)[i] = m;
    reinterpret_cast<Four*>(second_moments)[i] = v;
    if (rounded != nullptr) reinterpret_cast<Pack<BFloat16, 4>*>(rounded)[i] = low;
  }
  for (std::int64_t i = 4 * packs + thread_of_grid(); i < count; i += threads_of_grid()) {
    const float value =
        adam_element(parameters[i], to_float(gradients[i]), first_moments[i], second_moments[i], factors);
    parameters[i] = value;
    if (rounded != nullptr) from_float(value, rounded[i]);
  }
}

}  // namespace

template <typename Gradient>
void adam(float* parameters, const Gradient* gradients, float* first_moments, float* second_moments, BFloat16* rounded,
          std::int64_t count, const AdamStep& step, Stream stream) {
  if (count == 0) return;
  adam_kernel<<<blocks_for((count + 3) / 4), kThreads, 0, stream>>>(parameters, gradients, first_moments,
                                                                    second_moments, rounded, count, AdamFactors(step));
  check_launch("adam");
}

template void adam(float*, const float*, float*, float*, BFloat16*, std::int64_t, const AdamStep&, Stream);
template void adam(float*, const BFloat16*, float*, float*, BFloat16*, std::int64_t, const AdamStep&, Stream);

}  // namespace polymoe::kernels::cuda
