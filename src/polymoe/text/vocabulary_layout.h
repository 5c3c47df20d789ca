#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// Where tags and marks stand around the tokens of a text.
struct TextMarks {
  enum class Source {
    kTargetTag,        ///< [target language] tokens </s>: this project's own
    kSourceTag,        ///< [source language] tokens </s>: M2M100, NLLB
    kSourceTagBehind,  ///< tokens </s> [source language]: the first NLLB tokenizers
    kPlain             ///< tokens </s>: Marian's models of one language pair
  };
  /// What the decoder starts from; what it then must begin with, as the first of the tokens to predict.
  enum class Target {
    kTag,     ///< the tag of the target language: this project's own
    kEndTag,  ///< </s>, then the tag: M2M100, NLLB
    kPad      ///< <pad>: Marian
  };
  Source source = Source::kTargetTag;
  Target target = Target::kTag;
};

/// The kinds of vocabularies that come from elsewhere, for who writes them back.
enum class VocabularyFamily { kNllb, kM2m100, kMarian };

/// The names of all these in vocabulary files and messages.
std::string_view name_of(TextMarks::Source source);
std::string_view name_of(TextMarks::Target target);
std::string_view name_of(VocabularyFamily family);

/// The ids of a vocabulary that another program made, whose SentencePiece models number their pieces otherwise or lack
/// some. It travels in the file of the vocabulary, behind the SentencePiece model.
struct VocabularyLayout {
  struct Language {
    std::string code;
    std::int32_t tag = -1;        ///< -1: none
    bool has_target_text = true;  ///< whether its text is encoded with `target_model`, where there is one
  };

  VocabularyFamily family = VocabularyFamily::kNllb;
  std::int32_t begin = -1;  ///< <s>; -1: none
  std::int32_t pad = -1;
  std::int32_t end = -1;
  std::int32_t unknown = -1;
  std::int32_t mask = -1;             ///< -1: none
  std::vector<std::string> pieces;    ///< of every id
  std::vector<std::int32_t> special;  ///< ids that are never part of a text; the end mark and the tags are among them
  std::vector<Language> languages;
  TextMarks marks;
  std::string target_model;  ///< the SentencePiece model of target text; empty: that of sources
};

/// The bytes of a vocabulary file: `model`, a SentencePiece model, with the layout behind it. Other programs read the
/// result as the model that it was.
std::string with_layout(const std::string& model, const VocabularyLayout& layout);

/// The SentencePiece model in the bytes of a vocabulary file, without the layout.
std::string without_layout(std::string_view vocabulary);

/// The pieces of a SentencePiece model, in the order of its ids; of other bytes none, or some.
std::vector<std::string> pieces_of(std::string_view model);

/// The layout in the bytes of a vocabulary file; none in this project's own. Throws Error, with `path`, for one that is
/// damaged: ids outside of the vocabulary, say, or given twice.
std::optional<VocabularyLayout> read_layout(std::string_view vocabulary, const std::filesystem::path& path);

}  // namespace polymoe
