# ccache and mold where the machine has them, warnings and sanitizers for our own targets.
find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers are cached only when ccache is told that their time stamps do not matter.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
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

# Archives such as SentencePiece's must not answer for symbols that LibTorch's shared libraries look up.
target_link_options(polymoe_options INTERFACE -Wl,--exclude-libs,ALL)

# LibTorch's include folder holds a copy of fmt, newer than the library we link. Ours must be found first.
find_path(FMT_INCLUDE_DIR fmt/core.h PATHS /usr/include REQUIRED)
file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/include")
file(CREATE_LINK "${FMT_INCLUDE_DIR}/fmt" "${CMAKE_BINARY_DIR}/include/fmt" SYMBOLIC)
target_include_directories(polymoe_options INTERFACE "${CMAKE_BINARY_DIR}/include")

if(POLYMOE_SANITIZE)
  target_compile_options(polymoe_options INTERFACE -fsanitize=${POLYMOE_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(polymoe_options INTERFACE -fsanitize=${POLYMOE_SANITIZE})
endif()
