# SentencePiece as a static library with hidden symbols: Debian's shared one brings a second protobuf into the process
# of LibTorch, and the program dies before main. scripts/setup builds it into .deps/sentencepiece.
set(spm_root "${CMAKE_SOURCE_DIR}/.deps/sentencepiece" CACHE PATH "Where the static SentencePiece is installed")
find_library(SENTENCEPIECE_LIBRARY sentencepiece PATHS "${spm_root}/lib" NO_DEFAULT_PATH)
find_library(SENTENCEPIECE_TRAIN_LIBRARY sentencepiece_train PATHS "${spm_root}/lib" NO_DEFAULT_PATH)
if(NOT SENTENCEPIECE_LIBRARY OR NOT SENTENCEPIECE_TRAIN_LIBRARY)
  message(FATAL_ERROR "the static SentencePiece is not in ${spm_root}. Run scripts/setup")
endif()
add_library(sentencepiece INTERFACE)
target_include_directories(sentencepiece SYSTEM INTERFACE "${spm_root}/include")
target_link_libraries(sentencepiece INTERFACE "${SENTENCEPIECE_TRAIN_LIBRARY}" "${SENTENCEPIECE_LIBRARY}")
