#pragma once

#include <memory>
#include <string>
#include <vector>

#include "polymoe/text/corpus.h"

/// The raw rows of a corpus, before they are checked. Internal to corpus.cpp.
namespace polymoe {

class RowSource {
 public:
  virtual ~RowSource() = default;

  /// What next() found.
  enum class Found {
    kRow,
    kMalformed,  ///< a line that is no row; `fault` says why
    kUnpaired,   ///< a line that other files lack
    kEnd,
  };

  /// Fills `segments` with one text for each language of the spec, as it stands in the file.
  virtual Found next(std::vector<std::string>& segments, std::string& fault) = 0;
  /// The place of a language's segment in the last row.
  virtual Where where(std::size_t language) const = 0;
};

/// Throws Error when a file cannot be opened.
std::unique_ptr<RowSource> open_rows(const CorpusSpec& spec);

}  // namespace polymoe
