# LibTorch as the target `polymoe_torch`. Looked for in this order: Torch_DIR and CMAKE_PREFIX_PATH, the torch that
# python3 imports, the project's own folder .deps/torch (scripts/setup puts it there).
#
# The wheel's own TorchConfig.cmake insists on a CUDA toolkit when the wheel was built with CUDA. We need only the
# headers and the shared libraries, so the target is made here.
set(torch_candidates)
if(Torch_DIR)
  list(APPEND torch_candidates "${Torch_DIR}/../../..")
endif()
foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND torch_candidates "${prefix}" "${prefix}/torch")
endforeach()
foreach(prefix $ENV{Torch_DIR})
  list(APPEND torch_candidates "${prefix}/../../..")
endforeach()
execute_process(
  COMMAND python3 -c "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
  OUTPUT_VARIABLE python_torch OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(python_torch)
  list(APPEND torch_candidates "${python_torch}")
endif()
list(APPEND torch_candidates "${CMAKE_SOURCE_DIR}/.deps/torch/torch")

set(POLYMOE_TORCH_ROOT "")
foreach(candidate IN LISTS torch_candidates)
  get_filename_component(candidate "${candidate}" ABSOLUTE)
  if(EXISTS "${candidate}/lib/libtorch_cpu.so" AND EXISTS "${candidate}/include/torch/csrc/api/include/torch/torch.h")
    set(POLYMOE_TORCH_ROOT "${candidate}")
    break()
  endif()
endforeach()
if(NOT POLYMOE_TORCH_ROOT)
  message(FATAL_ERROR "LibTorch not found. Run scripts/setup, or give -DTorch_DIR=.../torch/share/cmake/Torch")
endif()

file(STRINGS "${POLYMOE_TORCH_ROOT}/include/torch/headeronly/version.h" version_lines REGEX "#define TORCH_VERSION_(MAJOR|MINOR) ")
string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*" "\\1.\\2" POLYMOE_TORCH_VERSION "${version_lines}")
if(POLYMOE_TORCH_VERSION VERSION_LESS 2.11 OR POLYMOE_TORCH_VERSION VERSION_GREATER 2.13)
  message(WARNING "torch ${POLYMOE_TORCH_VERSION} in ${POLYMOE_TORCH_ROOT}: only 2.11 to 2.13 are tested")
endif()

add_library(polymoe_torch INTERFACE)
target_include_directories(polymoe_torch SYSTEM INTERFACE
  "${POLYMOE_TORCH_ROOT}/include" "${POLYMOE_TORCH_ROOT}/include/torch/csrc/api/include")
target_link_directories(polymoe_torch INTERFACE "${POLYMOE_TORCH_ROOT}/lib")
target_link_options(polymoe_torch INTERFACE "-Wl,-rpath,${POLYMOE_TORCH_ROOT}/lib")
target_link_libraries(polymoe_torch INTERFACE torch torch_cpu c10)
set(POLYMOE_TORCH_CUDA OFF)
if(EXISTS "${POLYMOE_TORCH_ROOT}/lib/libtorch_cuda.so")
  set(POLYMOE_TORCH_CUDA ON)
  # Nothing refers to these two by name; loading them is what registers the CUDA backend.
  target_link_options(polymoe_torch INTERFACE "-Wl,--push-state,--no-as-needed" "${POLYMOE_TORCH_ROOT}/lib/libtorch_cuda.so"
    "${POLYMOE_TORCH_ROOT}/lib/libc10_cuda.so" "-Wl,--pop-state")
endif()
message(STATUS "torch ${POLYMOE_TORCH_VERSION} in ${POLYMOE_TORCH_ROOT} (CUDA: ${POLYMOE_TORCH_CUDA})")
