#include "fuzz/document_entries.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using polymoe::DocumentFormat;
  polymoe::fuzz_document(data, size, {DocumentFormat::kHtml});
  return 0;
}
