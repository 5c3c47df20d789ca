#include "polymoe/text/piece_model.h"

#include <exception>

#include <sentencepiece_processor.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/text/normalization_check.h"

namespace polymoe {

void load_sentencepiece(sentencepiece::SentencePieceProcessor& processor, std::string_view bytes,
                        const std::filesystem::path& path, const std::string& remedy) {
  // It writes to stderr by itself; its errors also come back as a status, which is all we need.
  sentencepiece::SetMinLogLevel(3);
  if (!has_sound_normalization(bytes)) throw Error("a damaged SentencePiece model", {path, 0}, remedy);
  bool loads = false;
  try {
    loads = processor.LoadFromSerializedProto(absl::string_view(bytes.data(), bytes.size())).ok();
  } catch (const std::exception&) {  // SentencePiece's table of normalisation throws, of an empty rule for one
  }
  if (!loads) throw Error("not a SentencePiece model", {path, 0}, remedy);
}

PieceModel::PieceModel(const std::filesystem::path& path)
    : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {
  load_sentencepiece(*processor_, read_file(path), path, "name the .model file that SentencePiece wrote");
}

PieceModel::~PieceModel() = default;

std::vector<std::string> PieceModel::cut(std::string_view text) const {
  std::vector<std::string> pieces;
  const auto status = processor_->Encode(absl::string_view(text.data(), text.size()), &pieces);
  if (!status.ok()) fail("cannot cut a text of {} bytes into pieces: {}", text.size(), status.ToString());
  return pieces;
}

}  // namespace polymoe
