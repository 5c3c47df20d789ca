#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/utf8.h"
#include "text/catalog_pairs.h"
#include "text/corpus.h"
#include "text/mo_catalog.h"

/// What the fuzzers of text input run on any bytes: an Error is fine, anything else that goes wrong is not. A unit test
/// runs the same over a few thousand mutated inputs.
namespace polymoe {

/// A message catalogue, and the segments made from it.
inline void fuzz_mo_catalog(std::span<const std::byte> bytes) {
  constexpr std::size_t kMaxChars = 200;
  try {
    PairCounts counts;
    for (const SegmentPair& pair : pairs_of(parse_mo_catalog(bytes, "fuzz.mo"), kMaxChars, counts)) {
      for (const std::string& text : {pair.english, pair.translation}) {
        const bool one_line = text.find_first_of(std::string("\n\r\0", 3)) == std::string::npos;
        if (!one_line || text.empty() || find_bad_utf8(text) != std::string::npos) std::abort();
      }
    }
  } catch (const Error&) {
  }
}

/// A line corpus: the first byte chooses its kind and whether bad lines are skipped, the others are the file.
inline void fuzz_corpus(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const auto choice = std::to_integer<unsigned>(bytes[0]);
  const int file = memfd_create("fuzz-corpus", MFD_CLOEXEC);
  if (file < 0 || write(file, bytes.data() + 1, bytes.size() - 1) != static_cast<ssize_t>(bytes.size() - 1))
    std::abort();
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const std::array<std::string, 6> notations = {"train:mono:en=" + path, "train:files:en=" + path + ",de=" + path,
                                                "train:tsv:" + path,     "train:tsv:" + path + ":en,de",
                                                "train:jsonl:" + path,   "train:jsonl:" + path + ":en,de"};
  try {
    const CorpusChecks checks{.skip_bad = choice >= 128, .max_line_bytes = 100};
    CorpusReader reader(parse_corpora({notations[choice % notations.size()]}).at(0), checks);
    std::vector<std::string> segments;
    std::uint64_t rows = 0;
    while (reader.next(segments)) {
      ++rows;
      bool any = false;
      for (const std::string& segment : segments) {
        if (segment.size() > 100 || find_bad_utf8(segment) != std::string::npos) std::abort();
        any = any || !segment.empty();
      }
      if (!any || segments.size() != reader.languages().size()) std::abort();
    }
    const CorpusReport& report = reader.report();
    if (report.kept != rows || report.lines != report.kept + report.absent + report.skipped()) std::abort();
  } catch (const Error&) {
  }
  close(file);
}

}  // namespace polymoe
