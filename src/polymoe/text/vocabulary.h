#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/text/vocabulary_layout.h"

namespace polymoe {

/// Text to ids and back: a SentencePiece model that also holds the tags of languages and tasks, so that one file is
/// the whole vocabulary. Ids 0 to 3 are `<s>`, `<pad>`, `</s>`, `<unk>` (the order of fairseq and NLLB); after them
/// come, as control symbols that no text can produce, `<mask>`, the task tags (`<denoise>`, then those of the user's
/// naming) and one tag `<2de>` for each language. Vocabularies of imported models have other ids, which a layout in the
/// file tells (text/vocabulary_layout.h). All methods are const and may be called from several threads at once.
class Vocabulary {
 public:
  /// Throws Error when the file is no SentencePiece model, or lacks the special symbols above.
  static Vocabulary load(const std::filesystem::path& path);
  /// The same from the bytes of such a file, which messages name by `path`.
  static Vocabulary parse(const std::string& bytes, const std::filesystem::path& path);
  ~Vocabulary();
  Vocabulary(Vocabulary&&) noexcept;
  Vocabulary& operator=(Vocabulary&&) noexcept;

  /// Number of ids; every id is in [0, size()).
  std::int32_t size() const;

  std::int32_t bos() const;  ///< -1: none, in some vocabularies of imported models; mask() likewise
  std::int32_t pad() const;
  std::int32_t eos() const;
  std::int32_t unk() const;
  std::int32_t mask() const;

  /// Where tags and marks stand around texts.
  const TextMarks& marks() const;

  /// Language codes, in the order of their tags. Positions in it are the language indices of batches.
  const std::vector<std::string>& languages() const;
  /// Position of `language` in languages(); another usual name of one does too ("pt-BR", "de_DE", "no" for "nb"), with
  /// a remark. Throws Error that names the nearest and all known ones.
  std::int32_t language_index(std::string_view language) const;
  /// Id of the tag of a language, by code or by index; -1 where languages have none.
  std::int32_t language_tag(std::string_view language) const;
  std::int32_t language_tag(std::int32_t index) const;
  /// Whether texts to read and texts to write have pieces of their own, as Marian's do; and whether those of a
  /// language, by index, are then texts to write.
  bool has_sides() const;
  bool is_target(std::int32_t language) const;
  /// Names of the task tags, e.g. "denoise".
  const std::vector<std::string>& tasks() const;
  /// Id of a task's tag. Throws Error that names the nearest and all known ones.
  std::int32_t task_tag(std::string_view task) const;

  /// Appends the ids of `text` to `ids`, with the normalisation that the model was trained with. No tag and no end
  /// mark is added, and no special id ever comes out, whatever the text says. The time is linear in the length: a text
  /// over kWholeTextBytes is encoded in parts, cut at spaces where it has any. `language`, an index, is the language of
  /// the text: Marian's models encode sources and targets differently.
  void encode(std::string_view text, std::int32_t language, std::vector<std::int32_t>& ids) const;
  std::vector<std::int32_t> encode(std::string_view text, std::int32_t language = 0) const;

  /// The texts that encode() makes `<unk>` of, in their order, as the normalisation leaves them.
  std::vector<std::string> unknown_texts(std::string_view text, std::int32_t language = 0) const;

  /// Whether nothing of `text` is left to read: it holds only white space, characters without a shape (U+200B, U+00AD)
  /// and what the normalisation removes.
  bool is_empty(std::string_view text) const;

  /// Whether the normalisation leaves a character as it is. One that it changes or removes can never be written.
  bool keeps(char32_t character) const;

  static constexpr std::size_t kWholeTextBytes = 16384;

  /// The text of `ids`; special ids are dropped, `<unk>` shows as " ⁇ ". Throws Error for an id outside [0, size()).
  std::string decode(const std::vector<std::int32_t>& ids) const;

  /// Whether an id is `<s>`, `<pad>`, `</s>`, `<mask>` or a tag: never part of a text. `<unk>` is none of these.
  bool is_special(std::int32_t id) const;

  /// The characters that an id stands for in a text, spaces as U+2581. Empty for those that are no run of characters:
  /// special ids, `<unk>` and single bytes. Valid as long as this object.
  std::string_view text_piece(std::int32_t id) const;

 private:
  struct State;
  explicit Vocabulary(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

/// The tag of denoising auto-encoding, which every vocabulary of `polymoe vocab` has.
inline constexpr const char* kDenoisingTag = "denoise";

/// Throws Error unless `name` can be a task of the user's naming: letters, digits, '_' and '@', none of the names that
/// have a meaning already, and no '2' in front, with which tags of languages begin.
void check_task_name(std::string_view name);

/// How a vocabulary is learned.
struct VocabularyOptions {
  std::int64_t size = 8000;                          ///< ids in all, special symbols included
  std::string model_type = "unigram";                ///< unigram, bpe
  bool byte_fallback = false;                        ///< spell unknown characters in bytes rather than as `<unk>`
  double character_coverage = 0.9995;                ///< share of the characters that get pieces; 0.98 to 1
  std::string normalization = "nmt_nfkc";            ///< nmt_nfkc, nfkc, identity: SentencePiece's rules of these names
  std::vector<std::string> tasks = {kDenoisingTag};  ///< task tags
};

/// SentencePiece takes no other character coverage than this to 1.
inline constexpr double kLeastCharacterCoverage = 0.98;

/// Whether a vocabulary can be learned from a sentence: SentencePiece passes over those with a character that it keeps
/// for itself.
bool can_be_learned_from(std::string_view sentence);

/// Learns a vocabulary and returns the bytes of its file. The result depends only on the arguments, not on the
/// machine's number of cores. Throws Error when the text is too little for the size, holds nothing that can be learned,
/// or a language code cannot be a tag.
std::string train_vocabulary(const VocabularyOptions& options, const std::vector<std::string>& languages,
                             const std::vector<std::string>& sentences);

}  // namespace polymoe
