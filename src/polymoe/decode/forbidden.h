#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "polymoe/text/vocabulary.h"

namespace polymoe {

/// What each id of a vocabulary shows behind a word; nothing for special ids.
std::vector<std::u32string> piece_texts(const Vocabulary& vocabulary);

/// Phrases that a translation must not hold: as whole words, whatever pieces they are cut into. One without capital
/// letters is meant in any case, another one only as it is written. Thread-safe.
class ForbiddenPhrases {
 public:
  /// `pieces`, of the vocabulary, must outlive it; `language` is that of the translations. Throws Error for a phrase
  /// that shows nothing.
  ForbiddenPhrases(std::span<const std::string> phrases, const Vocabulary& vocabulary,
                   const std::vector<std::u32string>& pieces, std::int32_t language);

  /// The ids, some perhaps several times, that would complete a phrase if they came behind `ids`. The end of a piece
  /// counts as the end of a word: what is to come is not known.
  std::vector<std::int32_t> completions(const std::vector<std::int32_t>& ids) const;

  /// How many of the phrases a text holds.
  std::size_t count_in(std::string_view text) const;

 private:
  using Ids = std::vector<std::int32_t>;
  struct Phrase {
    std::u32string text;
    bool any_case = false;
  };

  const std::u32string& texts_of(const Phrase& phrase, std::int32_t id) const;
  std::u32string last_text(const Ids& ids) const;
  const Ids& completing(std::size_t phrase, std::size_t done) const;
  void add_bytes(const std::string& phrase, const Vocabulary& vocabulary, std::int32_t language);

  std::vector<Phrase> phrases_;
  const std::vector<std::u32string>& pieces_;
  std::vector<std::u32string> folded_;  // pieces in lower case
  std::map<char32_t, Ids> by_first_;    // of folded pieces
  Ids whole_;                           // ids that hold a phrase behind a border of their own
  std::vector<Ids> sequences_;          // phrases that need pieces of single bytes
  std::size_t longest_ = 0;             // characters of a phrase
  mutable std::mutex mutex_;            // of completing_
  mutable std::map<std::pair<std::size_t, std::size_t>, Ids> completing_;  // by phrase and characters that are there
};

}  // namespace polymoe
