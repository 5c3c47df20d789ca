#pragma once

/// Marks what host and GPU compute alike: a plain function for one element, or for one thread of a grid, which tests on
/// the CPU run over a simulated grid.
#ifdef __CUDACC__
#define POLYMOE_HOST_DEVICE __host__ __device__
#else
#define POLYMOE_HOST_DEVICE
#endif
