#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "fuzz/text_entries.h"
#include "polymoe/base/random.h"
#include "support/log_capture.h"
#include "unit/text/gettext/mo_builder.h"

namespace polymoe {
namespace {

using namespace std::string_literals;

/// A few random edits of a text: bytes changed to anything or to boundary values, cut out, repeated, the end cut off.
std::string mutate(std::string text, std::uint64_t seed) {
  const RandomStream random(seed, fnv1a("mutate"));
  std::uint64_t draw = 0;
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random.below(draw++, bound)); };
  for (std::size_t edits = 1 + below(8); edits > 0 && !text.empty(); --edits) {
    const std::size_t at = below(text.size()), length = std::min(below(16), text.size() - at);
    switch (below(5)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text[at] = "\x00\xFF\x7F\x80\x01\n\t{"[below(8)];
        break;
      case 2:
        text.erase(at, length);
        break;
      case 3:
        text.insert(at, text.substr(at, length));
        break;
      default:
        if (below(4) == 0) text.resize(at);
    }
  }
  return text;
}

template <typename Entry>
void run_mutations(const std::vector<std::string>& seeds, std::uint64_t mutations, Entry entry) {
  for (const std::string& seed : seeds) {
    entry(bytes_of(seed));
    for (std::uint64_t i = 0; i < mutations; ++i) entry(bytes_of(mutate(seed, i)));
  }
}

TEST(Fuzz, MutatedCataloguesGiveErrorsOrCleanSegments) {
  std::vector<std::string> seeds;
  for (const bool big_endian : {false, true}) {
    seeds.push_back(MoBuilder(big_endian)
                        .utf8_header("nplurals=3; plural=(n%10==1 ? 0 : n%10>=2 && n%10<=4 ? 1 : 2);")
                        .add("_File", "_Datei")
                        .add("menu\4_Open %s"s, "%s _öffnen")
                        .add("_Quit", "終了(_Q)")
                        .add("%d day\0%d days"s, "%d день\0%d дня\0%d дней"s)
                        .add("First.\n\n  -a, --all  list", "Erstens.\n\n  -a, --all  Liste")
                        .build());
  }
  seeds.push_back(
      MoBuilder().header("Content-Type: text/plain; charset=SHIFT_JIS\n").add("Yes", "\x82\xCD\x82\xA2").build());
  run_mutations(seeds, 1000, fuzz_mo_catalog);
}

/// Seeds for the first few kinds of an entry, each with bad lines skipped and not.
std::vector<std::string> seeds_of(const std::string& content, int kinds) {
  std::vector<std::string> seeds;
  for (int kind = 0; kind < kinds; ++kind) {
    for (const int skip : {0, 132}) seeds.push_back(static_cast<char>(skip + kind) + content);
  }
  return seeds;
}

TEST(Fuzz, MutatedCorporaGiveErrorsOrCleanRows) {
  run_mutations(seeds_of("One\r\nTwo \n\xC3\xA4\n\0Eins\nZwei\n\n"s + std::string(150, 'x'), 2), 100, fuzz_corpus);
  run_mutations(seeds_of("en\tde\nOne\tEins\r\nTwo\tZwei \n\xC3\xA4\tb\n" + std::string(150, 'x') + "\ty\n", 4), 100,
                fuzz_tsv);
  run_mutations(seeds_of("{\"en\": \"One\", \"de\": \"Eins\\n\"}\n{\"de\": null, \"en\": \"\\u00e4\"}\n", 3), 100,
                fuzz_jsonl);
}

TEST(Fuzz, MutatedGlossariesGiveErrorsOrTermsOfTheSentence) {
  const testing::LogCapture log;  // of terms that come twice
  run_mutations({"file\tDatei\nfile system\tSystem\n\0The File system, %s of {name}. See <b>files</b> at http://a."s},
                300, fuzz_glossary);
}

}  // namespace
}  // namespace polymoe
