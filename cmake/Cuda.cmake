# CUDA kernels are plain functions on pointers, without Torch's headers. They build where both nvcc and a CUDA torch are
# found; then POLYMOE_CUDA is defined for all that links polymoe_torch. POLYMOE_CUDA_COMPILE_ONLY compiles them wherever
# nvcc is, so that machines without a GPU check them.
option(POLYMOE_CUDA_COMPILE_ONLY "Compile the CUDA kernels even without a CUDA torch; they are not linked" OFF)

file(GLOB cuda_sources CONFIGURE_DEPENDS src/polymoe/kernels/cuda/*.cu)
if(cuda_sources AND (POLYMOE_TORCH_CUDA OR POLYMOE_CUDA_COMPILE_ONLY))
  include(CheckLanguage)
  # Ampere and Hopper, and code that later generations translate when they load it.
  set(CMAKE_CUDA_ARCHITECTURES 80 90 CACHE STRING "GPU generations to compile the CUDA kernels for")
  check_language(CUDA)
endif()
if(CMAKE_CUDA_COMPILER)
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 20)
  # CMake before 3.26 does not know that nvcc 12 and later speak C++20.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  endif()
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)  # one CUDA runtime in the process: the one that LibTorch loads
  add_library(polymoe_cuda STATIC ${cuda_sources})
  target_link_libraries(polymoe_cuda PRIVATE polymoe_headers)
  # What CPU and GPU share are constexpr functions.
  target_compile_options(polymoe_cuda PRIVATE --expt-relaxed-constexpr)
  string(REGEX MATCH "^[0-9]+" nvcc_major "${CMAKE_CUDA_COMPILER_VERSION}")
  if(POLYMOE_TORCH_CUDA AND NOT nvcc_major EQUAL POLYMOE_TORCH_CUDA_MAJOR)
    message(WARNING "nvcc is of CUDA ${nvcc_major}, torch of CUDA ${POLYMOE_TORCH_CUDA_MAJOR}: the CUDA kernels are "
      "compiled but not linked. Put an nvcc of CUDA ${POLYMOE_TORCH_CUDA_MAJOR} on the PATH (or name it in CUDACXX)")
  elseif(POLYMOE_TORCH_CUDA)
    target_link_libraries(polymoe_torch INTERFACE polymoe_cuda)
    target_compile_definitions(polymoe_torch INTERFACE POLYMOE_CUDA)
  endif()
endif()
