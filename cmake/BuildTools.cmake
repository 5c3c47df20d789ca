# ccache and mold where the machine has them, warnings and sanitizers for our own targets.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "g++ ${CMAKE_CXX_COMPILER_VERSION} is too old for C++20 as it is used here: 12 or newer is needed")
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers are cached only when ccache is told that their time stamps do not matter. Paths count relative
  # to the source folder, so that clones of the project share their results.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 ${CCACHE})
endif()

add_library(polymoe_options INTERFACE)
target_compile_options(polymoe_options INTERFACE -Wall -Wextra -Wno-unused-parameter)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(polymoe_options INTERFACE -fpch-preprocess)
endif()

find_program(MOLD mold)
if(MOLD)
  target_link_options(polymoe_options INTERFACE -fuse-ld=mold)
endif()

# Archives such as SentencePiece's must not answer for symbols that LibTorch's shared libraries look up. Those of clang's
# sanitizers must, or libstdc++ would allocate behind AddressSanitizer's back; the fuzzers link no LibTorch.
if(NOT POLYMOE_FUZZ)
  target_link_options(polymoe_options INTERFACE -Wl,--exclude-libs,ALL)
endif()

# LibTorch's include folder holds a copy of fmt, newer than the library we link. Ours must be found first.
find_path(FMT_INCLUDE_DIR fmt/core.h PATHS /usr/include REQUIRED)
file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/include")
file(CREATE_LINK "${FMT_INCLUDE_DIR}/fmt" "${CMAKE_BINARY_DIR}/include/fmt" SYMBOLIC)
target_include_directories(polymoe_options INTERFACE "${CMAKE_BINARY_DIR}/include")

# Where every target finds our headers, "polymoe/...": those that are installed, and the others.
add_library(polymoe_headers INTERFACE)
target_include_directories(polymoe_headers INTERFACE "${CMAKE_SOURCE_DIR}/include" "${CMAKE_SOURCE_DIR}/src")
target_link_libraries(polymoe_options INTERFACE polymoe_headers)

if(POLYMOE_SANITIZE)
  target_compile_options(polymoe_options INTERFACE
    -fsanitize=${POLYMOE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(polymoe_options INTERFACE -fsanitize=${POLYMOE_SANITIZE})
endif()
