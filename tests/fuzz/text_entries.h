#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "polymoe/base/utf8.h"
#include "polymoe/text/corpus.h"
#include "polymoe/text/gettext/catalog_pairs.h"
#include "polymoe/text/gettext/mo_catalog.h"
#include "polymoe/text/glossary.h"
#include "polymoe/text/placeholders.h"
#include "polymoe/text/sentences.h"

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

/// The rows of a corpus that `notation` names: those that are given are clean, and the report counts every line.
inline void fuzz_rows(const std::string& notation, bool skip_bad) {
  try {
    const CorpusChecks checks{.skip_bad = skip_bad, .max_line_bytes = 100};
    CorpusReader reader(parse_corpora({notation}).at(0), checks);
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
}

/// A file in memory, which has a path as long as this object is there.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes) : file_(memfd_create("fuzz", MFD_CLOEXEC)) {
    if (file_ < 0 || write(file_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  }
  ~MemoryFile() { close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

/// Bytes as a corpus: the first one chooses among `kinds`, each what stands in the notation before and behind the file,
/// and whether bad lines are skipped; the others are the file.
inline void fuzz_rows(std::span<const std::byte> bytes, std::span<const std::array<const char*, 2>> kinds) {
  if (bytes.empty()) return;
  const auto choice = std::to_integer<unsigned>(bytes[0]);
  const MemoryFile file(bytes.subspan(1));
  const auto& [before, behind] = kinds[choice % kinds.size()];
  fuzz_rows(before + file.path() + behind, choice >= 128);
}

/// Tab-separated columns, named by the first line or beside the file.
inline void fuzz_tsv(std::span<const std::byte> bytes) {
  constexpr std::array<const char*, 2> kKinds[] = {
      {"train:tsv:", ""}, {"train:tsv:", ":en,de"}, {"train:tsv:", ":-,en,fr,-"}, {"train:task:sum:tsv:", ":en,en"}};
  fuzz_rows(bytes, kKinds);
}

/// JSON Lines, whose keys the first line or the notation names.
inline void fuzz_jsonl(std::span<const std::byte> bytes) {
  constexpr std::array<const char*, 2> kKinds[] = {
      {"train:jsonl:", ""}, {"train:jsonl:", ":en,de"}, {"train:task:sum:jsonl:", ":text=en,sum=en"}};
  fuzz_rows(bytes, kKinds);
}

/// Text of one language, or two parallel files, which part at the first NUL byte. The first byte chooses as above.
inline void fuzz_corpus(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const auto choice = std::to_integer<unsigned>(bytes[0]);
  const std::span<const std::byte> text = bytes.subspan(1);
  const auto end = static_cast<std::size_t>(std::find(text.begin(), text.end(), std::byte{0}) - text.begin());
  const MemoryFile first(text.first(end)), second(text.subspan(std::min(end + 1, text.size())));
  fuzz_rows(
      choice % 2 == 0 ? "train:mono:en=" + first.path() : "train:files:en=" + first.path() + ",de=" + second.path(),
      choice >= 128);
}

/// A glossary, and behind the first NUL byte a sentence in which its terms are found, with its placeholders and parts.
inline void fuzz_glossary(std::span<const std::byte> bytes) {
  const auto end = static_cast<std::size_t>(std::find(bytes.begin(), bytes.end(), std::byte{0}) - bytes.begin());
  const std::span<const std::byte> rest = bytes.subspan(std::min(end + 1, bytes.size()));
  const std::string_view sentence(reinterpret_cast<const char*>(rest.data()), rest.size());
  if (find_bad_utf8(sentence) != std::string::npos) return;
  std::size_t done = 0;
  std::vector<std::string_view> whole;
  for (const Placeholder& place : find_placeholders(sentence)) {
    if (place.begin < done || place.end <= place.begin || place.end > sentence.size()) std::abort();
    done = place.end;
    whole.push_back(sentence.substr(place.begin, place.end - place.begin));
  }
  if (!keeps_placeholders(sentence, sentence)) std::abort();
  std::size_t shown = 0;
  const auto fits = [](std::string_view text) { return text.size() < 9; };
  for (const std::string_view part : split_to_fit(sentence, fits, whole)) {
    if (part.empty() || find_bad_utf8(part) != std::string::npos) std::abort();
    shown += part.size();
  }
  if (shown > sentence.size()) std::abort();
  for (const std::string_view part : split_sentences(sentence, whole)) {
    if (part.empty() || find_bad_utf8(part) != std::string::npos) std::abort();
  }
  try {
    done = 0;
    for (const GlossaryMatch& match : Glossary::load(MemoryFile(bytes.first(end)).path()).find(sentence)) {
      if (match.begin < done || match.end <= match.begin || match.end > sentence.size() || match.targets.empty()) {
        std::abort();
      }
      done = match.end;
    }
  } catch (const Error&) {
  }
}

}  // namespace polymoe
