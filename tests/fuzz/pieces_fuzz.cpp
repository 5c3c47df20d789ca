// Any bytes as new pieces of a vocabulary, a list or a SentencePiece model: an Error, or pieces that a vocabulary takes
// and that it then reads and writes.

#include <string>
#include <vector>

#include "fuzz/scratch.h"
#include "polymoe/text/extend_vocabulary.h"
#include "polymoe/text/new_pieces.h"
#include "polymoe/text/vocabulary.h"

namespace {

const std::string& vocabulary_bytes() {
  static const std::string bytes = [] {
    std::vector<std::string> sentences;
    for (int i = 0; i < 100; ++i) sentences.push_back("ba ko mi ren tu sa lo fe " + std::to_string(i));
    return polymoe::train_vocabulary({.size = 40, .model_type = "bpe"}, {"de", "en"}, sentences);
  }();
  return bytes;
}

void use(const std::vector<std::string>& pieces) {
  const polymoe::ExtendedVocabulary more = polymoe::extend_vocabulary(vocabulary_bytes(), "v.model", {}, pieces);
  const polymoe::Vocabulary vocabulary = polymoe::Vocabulary::parse(more.bytes, "v.model");
  polymoe::require(static_cast<std::size_t>(vocabulary.size()) == more.from.size());
  for (const std::string& piece : more.pieces) vocabulary.decode(vocabulary.encode(piece));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = polymoe::scratch_folder() / "pieces";
  polymoe::put_file(path, polymoe::text_of(data, size));
  polymoe::loads([&] { use(polymoe::read_pieces(path)); });
  return 0;
}
