# LibTorch as the target `polymoe_torch`, from the folder that scripts/find-torch names (Torch_DIR, CMAKE_PREFIX_PATH,
# python3's torch, .deps/torch; 2.11 to 2.13).
#
# The wheel's own TorchConfig.cmake insists on a CUDA toolkit when the wheel was built with CUDA. We need only the
# headers and the shared libraries, so the target is made here.
# Ninja configures again by itself, in whatever environment: what the first one named stays.
if(DEFINED ENV{Torch_DIR})
  set(Torch_DIR "$ENV{Torch_DIR}" CACHE PATH "The share/cmake/Torch folder of the LibTorch to build with" FORCE)
endif()
set(torch_wishes)
if(Torch_DIR)
  list(APPEND torch_wishes "Torch_DIR=${Torch_DIR}")
endif()
if(CMAKE_PREFIX_PATH)
  string(REPLACE ";" ":" prefixes "${CMAKE_PREFIX_PATH}")
  list(APPEND torch_wishes "CMAKE_PREFIX_PATH=${prefixes}")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -E env ${torch_wishes} "${CMAKE_SOURCE_DIR}/scripts/find-torch"
  OUTPUT_VARIABLE POLYMOE_TORCH_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE
  ERROR_VARIABLE torch_remarks ERROR_STRIP_TRAILING_WHITESPACE)
if(torch_remarks)
  message(STATUS "${torch_remarks}")
endif()
if(NOT POLYMOE_TORCH_ROOT)
  message(FATAL_ERROR "LibTorch not found. Run scripts/setup, or give -DTorch_DIR=.../torch/share/cmake/Torch")
endif()
set(torch_version_header "${POLYMOE_TORCH_ROOT}/include/torch/headeronly/version.h")
file(STRINGS "${torch_version_header}" version_lines REGEX "#define TORCH_VERSION_(MAJOR|MINOR) ")
string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*" "\\1.\\2" POLYMOE_TORCH_VERSION "${version_lines}")

add_library(polymoe_torch INTERFACE)
target_include_directories(polymoe_torch SYSTEM INTERFACE
  "${POLYMOE_TORCH_ROOT}/include" "${POLYMOE_TORCH_ROOT}/include/torch/csrc/api/include")
target_link_directories(polymoe_torch INTERFACE "${POLYMOE_TORCH_ROOT}/lib")
target_link_options(polymoe_torch INTERFACE "-Wl,-rpath,${POLYMOE_TORCH_ROOT}/lib")
# The system's C++ library comes first: the libtorch.so of some wheels (2.11 with CUDA) exports std::filesystem from an older
# one, which crashes in remove_all().
target_link_options(polymoe_torch INTERFACE "SHELL:-Wl,--push-state,--no-as-needed -lstdc++ -Wl,--pop-state")
target_link_libraries(polymoe_torch INTERFACE torch torch_cpu c10)
# at::parallel_for() is a template: without OpenMP in our own files it would run on one thread. The runtime is the one that
# LibTorch loads. ThreadSanitizer does not understand its barriers.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT POLYMOE_SANITIZE STREQUAL "thread")
  target_compile_options(polymoe_torch INTERFACE -fopenmp)
  target_link_libraries(polymoe_torch INTERFACE gomp)
endif()
set(POLYMOE_TORCH_CUDA OFF)
if(EXISTS "${POLYMOE_TORCH_ROOT}/lib/libtorch_cuda.so")
  set(POLYMOE_TORCH_CUDA ON)
  file(STRINGS "${POLYMOE_TORCH_ROOT}/lib/libc10_cuda.so" cudart_name REGEX "^libcudart[^/]*\\.so\\.[0-9]+")
  string(REGEX REPLACE ".*\\.so\\.([0-9]+).*" "\\1" POLYMOE_TORCH_CUDA_MAJOR "${cudart_name}")
  # Nothing refers to these two by name; loading them is what registers the CUDA backend.
  target_link_options(polymoe_torch INTERFACE "-Wl,--push-state,--no-as-needed" "${POLYMOE_TORCH_ROOT}/lib/libtorch_cuda.so"
    "${POLYMOE_TORCH_ROOT}/lib/libc10_cuda.so" "-Wl,--pop-state")
endif()
message(STATUS "torch ${POLYMOE_TORCH_VERSION} in ${POLYMOE_TORCH_ROOT} (CUDA: ${POLYMOE_TORCH_CUDA})")
