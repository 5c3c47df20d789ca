#pragma once

/// Marks a hot function: the compiler makes one version for each CPU generation and the loader picks the right one.
/// Sanitizers cannot instrument the picking, so they get the plain version.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define POLYMOE_CPU_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define POLYMOE_CPU_CLONES
#endif
