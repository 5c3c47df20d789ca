#include "polymoe/kernels/cuda/device.h"

#include "polymoe/kernels/cuda/launch.h"

namespace polymoe::kernels::cuda {

int compute_capability_major() {
  int device = 0, major = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess) {
    throw std::runtime_error(std::string("cannot ask the GPU for its generation: ") +
                             cudaGetErrorString(cudaGetLastError()));
  }
  return major;
}

}  // namespace polymoe::kernels::cuda
