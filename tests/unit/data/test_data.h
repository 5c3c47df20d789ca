#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "polymoe/base/files.h"
#include "polymoe/base/random.h"
#include "polymoe/data/prepare.h"
#include "polymoe/text/corpus.h"
#include "polymoe/text/vocabulary.h"
#include "support/temporary_folder.h"

/// Small invented text for the tests of the data pipeline.
namespace polymoe::testing {

/// Sentence `index` of a language: 1 to 12 words of syllables, always the same.
inline std::string invented_sentence(const std::string& language, std::uint64_t index) {
  static const char* const kSyllables[] = {"ba", "ko", "mi", "ren", "tu", "sa", "lo", "fe"};
  const RandomStream random(7, fnv1a(language), index);
  std::string text;
  const std::uint64_t words = 1 + random.below(0, 12);
  for (std::uint64_t word = 0; word < words; ++word) {
    if (word > 0) text += ' ';
    for (std::uint64_t i = 0; i < 1 + random.below(100 + word, 3); ++i) {
      text += kSyllables[random.below(1000 + 10 * word + i, 8)];
    }
  }
  return text;
}

inline const std::vector<std::string>& test_languages() {
  static const std::vector<std::string> languages = {"de", "en", "fr"};
  return languages;
}

/// The bytes of a vocabulary of 120 ids over the invented text.
inline const std::string& test_vocabulary_bytes() {
  static const std::string bytes = [] {
    std::vector<std::string> sentences;
    for (std::uint64_t i = 0; i < 500; ++i) sentences.push_back(invented_sentence("en", i));
    VocabularyOptions options;
    options.size = 120;
    return train_vocabulary(options, test_languages(), sentences);
  }();
  return bytes;
}

inline void write_lines(const std::filesystem::path& path, const std::vector<std::string>& lines) {
  std::ofstream file(path, std::ios::binary);
  for (const std::string& line : lines) file << line << '\n';
}

/// Writes a JSON Lines corpus, where "" stands for a language that lacks the line, and tells how to read it.
inline CorpusSpec write_corpus(const TemporaryFolder& folder, const std::string& name, const std::string& split,
                               const std::vector<std::string>& languages,
                               const std::vector<std::vector<std::string>>& rows) {
  CorpusSpec spec;
  spec.name = name;
  spec.split = split;
  spec.kind = CorpusKind::kJsonLines;
  spec.languages = languages;
  spec.columns = languages;
  spec.files = {folder / (name + "." + split + ".jsonl")};
  std::vector<std::string> lines;
  for (const std::vector<std::string>& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < languages.size(); ++i) {
      if (!row[i].empty()) line += (line.empty() ? "\"" : ", \"") + languages[i] + "\": \"" + row[i] + "\"";
    }
    lines.push_back("{" + line + "}");
  }
  write_lines(spec.files[0], lines);
  return spec;
}

/// A monolingual corpus of `lines`.
inline CorpusSpec write_monolingual(const TemporaryFolder& folder, const std::string& name, const std::string& language,
                                    const std::vector<std::string>& lines) {
  CorpusSpec spec;
  spec.name = name;
  spec.split = "train";
  spec.kind = CorpusKind::kMonolingual;
  spec.languages = {language};
  spec.files = {folder / (name + "." + language)};
  write_lines(spec.files[0], lines);
  return spec;
}

/// `lines` aligned rows of de, en, fr; fr lacks every third line.
inline std::vector<std::vector<std::string>> invented_rows(std::uint64_t lines, std::uint64_t first = 0) {
  std::vector<std::vector<std::string>> rows;
  for (std::uint64_t i = first; i < first + lines; ++i) {
    rows.push_back({invented_sentence("de", i), invented_sentence("en", i),
                    i % 3 == 2 ? std::string() : invented_sentence("fr", i)});
  }
  return rows;
}

/// Prepares `corpora` into `folder`/data with the test vocabulary.
inline std::filesystem::path prepare_test_data(const TemporaryFolder& folder, const std::vector<CorpusSpec>& corpora) {
  write_file(folder / "vocab.model", test_vocabulary_bytes());
  PrepareOptions options;
  options.vocabulary = folder / "vocab.model";
  options.corpora = corpora;
  options.out = folder / "data";
  options.threads = 2;
  prepare(options);
  return options.out;
}

}  // namespace polymoe::testing
