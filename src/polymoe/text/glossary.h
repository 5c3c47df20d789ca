#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/base/error.h"

namespace polymoe {

/// A term that a sentence holds, and what its translation must hold for it.
struct GlossaryMatch {
  std::size_t begin = 0, end = 0;    ///< bytes of the sentence
  std::vector<std::string> targets;  ///< any of them
};

/// A user's terms with their translations, from a file of lines `source TAB target`, with more targets behind more tabs
/// where any of them will do. Empty lines and those that begin with '#' are passed over.
///
/// A term is found at the borders of words: runs of letters, digits and '_'; each character of a script that writes no
/// spaces is a word. Any white space stands for any other. A term without capital letters is found in any case, another
/// one only as it is written. Of terms that overlap the longest counts, of those that begin first.
class Glossary {
 public:
  Glossary() = default;

  /// Throws Error with file and line for a line without a tab, an empty term or target and text that is not UTF-8; of
  /// a term that stands twice a remark tells that the later line counts.
  static Glossary load(const std::filesystem::path& path);
  /// The same from the text of such a file, which messages name by `path`.
  static Glossary parse(std::string_view text, const std::filesystem::path& path);

  bool empty() const { return terms_.empty(); }
  /// Number of different terms.
  std::size_t size() const;

  /// The terms of a sentence, in its order. Where a term stands in small letters and the sentence begins it with a
  /// capital one, its targets may do so too.
  std::vector<GlossaryMatch> find(std::string_view sentence) const;

 private:
  struct Word {
    std::u32string text, folded;     // as it stands, and in lower case
    bool behind_space = false;       // white space stands before it
    std::size_t begin = 0, end = 0;  // bytes
  };
  struct Term {
    std::vector<Word> words;
    bool any_case = false;
    std::vector<std::string> targets;
    std::size_t line = 0;
  };

  static std::vector<Word> words_of(std::string_view text);
  static bool stands_at(const Term& term, const std::vector<Word>& words, std::size_t at);
  void read_line(const std::string& line, const Where& where);
  void add(Term term, const std::filesystem::path& path);

  std::map<std::u32string, std::vector<Term>> terms_;  // by the first word in lower case, the longest terms first
};

}  // namespace polymoe
