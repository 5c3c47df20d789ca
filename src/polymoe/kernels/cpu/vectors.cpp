#include "polymoe/kernels/cpu/vectors.h"

namespace polymoe::kernels {

Vectors best_vectors() {
#if defined(__x86_64__)
  static const Vectors best = [] {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd")) {
      if (!__builtin_cpu_supports("avx512vnni")) return Vectors::kAvx512;
      return __builtin_cpu_supports("avx512bf16") ? Vectors::kAvx512Bfloat16 : Vectors::kAvx512Vnni;
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? Vectors::kAvx2 : Vectors::kPlain;
  }();
  return best;
#else
  return Vectors::kPlain;
#endif
}

}  // namespace polymoe::kernels
