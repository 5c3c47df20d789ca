#pragma once

/// Functions compiled for one kind of the CPU's vectors, whatever the rest is compiled for; best_vectors() tells
/// whether they may be called.
#if defined(__x86_64__)
#define POLYMOE_AVX2 __attribute__((target("arch=x86-64-v3")))
#define POLYMOE_AVX512 __attribute__((target("arch=x86-64-v4")))
#define POLYMOE_VNNI __attribute__((target("arch=x86-64-v4,avx512vnni")))
#endif

/// Kernels that are compiled once for each size of the CPU's vectors.
namespace polymoe::kernels {

/// What the CPU's vectors are used for, each with what those before it have. Products of 8-bit and 4-bit weights are
/// the same with all of them; sums of floats differ in their order, and those of bfloat16 in what becomes of numbers
/// below 2^-126.
enum class Vectors { kPlain, kAvx2, kAvx512, kAvx512Vnni, kAvx512Bfloat16 };

/// The best that this CPU has.
Vectors best_vectors();

/// Whether this CPU multiplies matrices of bfloat16 in registers of their own (AMX), faster than by any vectors.
bool has_amx_bfloat16();

/// kernel.run<lanes, vectors>(): floats in a vector, and vectors in a row of a tile whose sums stay in registers. All
/// that it calls must be inlined to be compiled for such vectors.
template <typename Kernel>
void run_plain(const Kernel& kernel) {
  kernel.template run<4, 2>();
}
#if defined(__x86_64__)
template <typename Kernel>
POLYMOE_AVX2 void run_avx2(const Kernel& kernel) {
  kernel.template run<8, 2>();
}
template <typename Kernel>
POLYMOE_AVX512 void run_avx512(const Kernel& kernel) {
  kernel.template run<16, 4>();
}
#endif

template <typename Kernel>
void run_kernel(const Kernel& kernel, Vectors vectors) {
#if defined(__x86_64__)
  if (vectors >= Vectors::kAvx512) return run_avx512(kernel);
  if (vectors == Vectors::kAvx2) return run_avx2(kernel);
#endif
  run_plain(kernel);
}

}  // namespace polymoe::kernels
