#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// A language that a vocabulary is to get.
struct NewLanguage {
  std::string code;
  std::vector<std::string> like;  ///< languages of the vocabulary whose tags its own begins as the mean of; empty: all

  /// Reads "ast", "ast=es" or "gcf=fr+ht". Throws Error for other text.
  static NewLanguage parse(std::string_view text);
};

/// A vocabulary with more ids. Those of an imported one stand where its family has them: new pieces behind the old
/// ones, then the tags of old and new languages, Marian's <pad> last; so older ids may be others now, of the same
/// pieces.
struct ExtendedVocabulary {
  std::string bytes;  ///< of the file
  /// Of each id those of the old vocabulary that its row of an embedding is the mean of: the one that it had before,
  /// the pieces that a new piece was before, the tags that a new language is like. Empty where a new piece holds only
  /// characters that the old vocabulary does not know.
  std::vector<std::vector<std::int32_t>> from;
  std::vector<std::string> pieces;  ///< that are new, those that lead to others included
};

/// Adds languages and pieces to the vocabulary `bytes`, which messages name by `path`. Pieces that are there already,
/// or that no text holds after the normalisation, are left out, with a remark. A text without new pieces is encoded to
/// the same pieces as before. Throws Error for a language that is there, one that is given twice or cannot be a tag,
/// and where nothing is new.
ExtendedVocabulary extend_vocabulary(const std::string& bytes, const std::filesystem::path& path,
                                     const std::vector<NewLanguage>& languages, const std::vector<std::string>& pieces);

}  // namespace polymoe
