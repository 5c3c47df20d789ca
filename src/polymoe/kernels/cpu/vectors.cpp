#include "polymoe/kernels/cpu/vectors.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

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

bool has_amx_bfloat16() {
#if defined(__x86_64__)
  static const bool has = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 22 & 1u) != 0;
  }();
  return has;
#else
  return false;
#endif
}

}  // namespace polymoe::kernels
