#include "fuzz/document_entries.h"

/// Gettext's library loses a few hundred bytes of a file without a header, or of one that it refuses.
extern "C" int __lsan_is_turned_off() { return 1; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using polymoe::DocumentFormat;
  polymoe::fuzz_document(data, size, {DocumentFormat::kPo});
  return 0;
}
