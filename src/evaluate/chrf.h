#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

struct ChrfOptions {
  std::size_t char_order = 6;
  std::size_t word_order = 0;  ///< 2 makes it chrF++
  unsigned beta = 2;           ///< recall counts beta times as much as precision
  bool lowercase = false;
  bool whitespace = false;     ///< whether spaces belong to the character n-grams
  bool eps_smoothing = false;  ///< average F over all orders, absent ones too, as chrF++.py does; else the average
                               ///< precision and recall of the orders that both sides have
};

struct ChrfScore {
  double score = 0;       ///< 0 to 100
  std::string name;       ///< "chrF2", "chrF2++": beta and a plus for each word order
  std::string signature;  ///< the options in sacreBLEU's notation: "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no"
};

/// chrF and chrF++ of a corpus (Popović, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015;
/// "chrF++: words helping character n-grams", WMT 2017), with sacreBLEU's arithmetic. Of several references each
/// segment takes the one with the best score. `reference_streams[r][i]` is the r-th reference of hypothesis i; text
/// is UTF-8. Throws Error for streams of unequal length, no segments, or options out of range.
ChrfScore corpus_chrf(std::span<const std::string> hypotheses,
                      std::span<const std::vector<std::string>> reference_streams, const ChrfOptions& options = {});

/// The same for one segment and its references.
ChrfScore sentence_chrf(std::string_view hypothesis, std::span<const std::string> references,
                        const ChrfOptions& options = {});

}  // namespace polymoe
