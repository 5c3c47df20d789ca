#include "fuzz/text_entries.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  polymoe::fuzz_glossary(std::as_bytes(std::span(data, size)));
  return 0;
}
