#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/base/progress.h"
#include "polymoe/text/gettext/catalog_pairs.h"
#include "polymoe/text/language_names.h"

namespace polymoe {

struct GettextOptions {
  std::vector<std::string> packages;   ///< Debian packages; empty: default_catalog_packages()
  std::vector<std::string> languages;  ///< codes other than English; empty: all that the packages hold
  std::filesystem::path output;        ///< the corpus folder to make
  std::filesystem::path cache;         ///< keeps the packages' catalogues for the next time
  std::int64_t valid_per_mille = 10;   ///< of English segments, for validation
  std::int64_t test_per_mille = 20;    ///< of English segments, held out for the test
  std::int64_t max_chars = 400;        ///< longer segments are left out
};

/// What a corpus holds and what was left out.
struct GettextSummary {
  std::vector<std::string> splits;                             ///< in the order of `lines` and `segments`
  std::vector<std::uint64_t> lines;                            ///< English segments in each split
  std::map<std::string, std::vector<std::uint64_t>> segments;  ///< by language: segments in each split
  std::map<std::string, std::string> packages;                 ///< name -> version
  std::uint64_t skipped_catalogs = 0;  ///< of English variants, in folders named after no language, and damaged ones
  PairCounts counts;                   ///< over all languages
};

/// Packages with many translated messages of many kinds: tools, compilers, desktop programs, accounting, drawing,
/// sound.
const std::vector<std::string>& default_catalog_packages();

/// Makes a corpus folder from the message catalogues of Debian packages. Lines are English segments, each once; any two
/// languages pair up line by line. Which split a segment is in depends on split_key() alone, so it is the same in each
/// language, with any set of packages. The same packages give the same bytes. Throws Error (see
/// fetch_catalog_packages() too) for options out of range, for languages that no package holds, and where `output` is
/// something else than a corpus folder.
GettextSummary make_gettext_corpus(const GettextOptions& options, const ProgressSink& progress = {});

}  // namespace polymoe
