#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace polymoe {

/// Loads a SentencePiece model from the bytes of its file, which messages name by `path`. SentencePiece writes nothing
/// to stderr from then on. Throws Error with the remedy for anything else.
void load_sentencepiece(sentencepiece::SentencePieceProcessor& processor, std::string_view bytes,
                        const std::filesystem::path& path, const std::string& remedy);

/// A SentencePiece model of any origin, for its pieces alone; text/vocabulary.h has ids. All methods are const and may
/// be called from several threads at once.
class PieceModel {
 public:
  /// Throws Error when the file is no SentencePiece model.
  explicit PieceModel(const std::filesystem::path& path);
  ~PieceModel();
  PieceModel(const PieceModel&) = delete;
  PieceModel& operator=(const PieceModel&) = delete;

  /// The pieces of a text, in order, normalised as the model was trained; unknown characters as they are.
  std::vector<std::string> cut(std::string_view text) const;

 private:
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
};

}  // namespace polymoe
