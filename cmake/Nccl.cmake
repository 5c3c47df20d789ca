# Collectives on GPUs over NCCL. They build where both a CUDA torch and NCCL (header and library) are found: beside that
# torch in site-packages, in NCCL_ROOT, or in the system; then POLYMOE_NCCL is defined. POLYMOE_CUDA_COMPILE_ONLY compiles
# them with NCCL's header alone (scripts/setup --cuda-check fetches it), so that machines without a GPU check them.
set(nccl_places "${NCCL_ROOT}" "$ENV{NCCL_ROOT}" "${POLYMOE_TORCH_ROOT}/../nvidia/nccl" "${CMAKE_SOURCE_DIR}/.deps/nccl")
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${nccl_places} PATH_SUFFIXES include)
find_file(NCCL_LIBRARY NAMES libnccl.so.2 libnccl.so HINTS ${nccl_places} PATH_SUFFIXES lib lib64
  PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE} /usr/local/lib)
file(GLOB cuda_wheel_includes "${POLYMOE_TORCH_ROOT}/../nvidia/cu*/include" "${POLYMOE_TORCH_ROOT}/../nvidia/cuda_runtime/include")
# The runtime's wheel holds cuda_runtime.h without the headers that it includes; those come with nvcc.
find_path(CUDA_COMPILER_INCLUDE_DIR crt/host_config.h HINTS ${cuda_wheel_includes} "$ENV{CUDA_HOME}/include"
  PATHS /usr/local/cuda/include)
file(GLOB cuda_wheel_libraries "${POLYMOE_TORCH_ROOT}/../nvidia/cu*/lib" "${POLYMOE_TORCH_ROOT}/../nvidia/cuda_runtime/lib")
find_file(CUDA_RUNTIME_LIBRARY NAMES libcudart.so.${POLYMOE_TORCH_CUDA_MAJOR} HINTS ${cuda_wheel_libraries}
  "$ENV{CUDA_HOME}/lib64" PATHS /usr/local/cuda/lib64)

file(GLOB nccl_sources CONFIGURE_DEPENDS src/polymoe/comm/nccl/*.cpp)
if(NCCL_INCLUDE_DIR AND CUDA_COMPILER_INCLUDE_DIR AND (POLYMOE_TORCH_CUDA OR POLYMOE_CUDA_COMPILE_ONLY))
  add_library(polymoe_nccl OBJECT ${nccl_sources})
  target_include_directories(polymoe_nccl SYSTEM PRIVATE "${NCCL_INCLUDE_DIR}" "${CUDA_COMPILER_INCLUDE_DIR}")
  target_link_libraries(polymoe_nccl PRIVATE polymoe_options fmt::fmt polymoe_torch)
  if(POLYMOE_TORCH_CUDA AND NCCL_LIBRARY AND CUDA_RUNTIME_LIBRARY)
    target_sources(polymoe PRIVATE $<TARGET_OBJECTS:polymoe_nccl>)
    target_link_libraries(polymoe PUBLIC "${NCCL_LIBRARY}" "${CUDA_RUNTIME_LIBRARY}")
    target_compile_definitions(polymoe PUBLIC POLYMOE_NCCL)
  elseif(NOT POLYMOE_TORCH_CUDA)
    # The CPU wheel leaves out one header of generated macros, which is empty but for the way that c10 was built.
    target_compile_definitions(polymoe_nccl PRIVATE C10_USING_CUSTOM_GENERATED_MACROS)
  endif()
elseif(POLYMOE_TORCH_CUDA)
  message(STATUS "Without NCCL: nccl.h (${NCCL_INCLUDE_DIR}) or CUDA's crt/host_config.h (${CUDA_COMPILER_INCLUDE_DIR}) "
    "was not found. Name their places in NCCL_ROOT and CUDA_HOME")
endif()
