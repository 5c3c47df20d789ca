#include "polymoe/kernels/cpu/vectors.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace polymoe::kernels {

#if defined(__x86_64__)
namespace {

// What x86-64-v3 has beside vectors, which a virtual machine may hide: BMI 1 and 2, LZCNT, MOVBE and F16C.
bool has_v3_integers() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b >> 3 & b >> 8 & 1u) == 0) return false;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c >> 22 & c >> 29 & 1u) == 0) return false;
  return __get_cpuid(0x80000001, &a, &b, &c, &d) != 0 && (c >> 5 & 1u) != 0;
}

// Whether the system keeps the registers of AMX for a process.
bool keeps_amx_registers() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c >> 27 & 1u) == 0) return false;
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low >> 17 & 3u) == 3;
}

}  // namespace
#endif

Vectors best_vectors() {
#if defined(__x86_64__)
  static const Vectors best = [] {
    __builtin_cpu_init();
    if (!has_v3_integers()) return Vectors::kPlain;
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
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 22 & 1u) != 0 && keeps_amx_registers();
  }();
  return has;
#else
  return false;
#endif
}

}  // namespace polymoe::kernels
