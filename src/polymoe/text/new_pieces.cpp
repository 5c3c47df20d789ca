#include "polymoe/text/new_pieces.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/utf8.h"
#include "polymoe/text/piece_model.h"
#include "polymoe/text/wire_format.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using sentencepiece::SentencePieceProcessor;

// What stands for a space, in front of pieces that begin a word.
constexpr const char* kSpacePiece = "\u2581";

// Of sentencepiece_model.proto.
constexpr std::uint64_t kPieces = 1, kTrainerSpec = 2, kNormalizerSpec = 3;
constexpr std::uint64_t kModelType = 3;
constexpr char kBpe = 2;
enum class PieceType : char { kNormal = 1, kControl = 3 };

bool is_bpe(std::string_view model) {
  bool bpe = false;
  WireReader fields(model);
  while (const auto field = fields.next()) {
    if (field->number != kTrainerSpec) continue;
    WireReader settings(field->bytes);
    while (const auto setting = settings.next()) {
      if (setting->number == kModelType) bpe = setting->whole.back() == kBpe;
    }
  }
  return bpe;
}

void append_piece(std::string& model, std::string_view text, float score, PieceType type) {
  constexpr char kScoreTag = 2 << 3 | 5, kTypeTag = 3 << 3;
  std::string piece;
  append_wire_bytes(piece, 1, text);
  char bytes[sizeof score];
  std::memcpy(bytes, &score, sizeof score);
  piece += kScoreTag;
  piece.append(bytes, sizeof score);
  piece += kTypeTag;
  piece += static_cast<char>(type);
  append_wire_bytes(model, kPieces, piece);
}

// Takes text as it is: no normalisation, no space in front.
void load_plain(SentencePieceProcessor& processor, const std::string& model) {
  std::string normalizer;
  append_wire_bytes(normalizer, 1, "identity");
  append_wire_bytes(normalizer, 2, "");               // without rules
  normalizer += std::string_view("\x18\0\x20\0", 4);  // add_dummy_prefix and remove_extra_whitespaces: false
  std::string plain = model;
  append_wire_bytes(plain, kNormalizerSpec, normalizer);
  load_sentencepiece(processor, plain, "a vocabulary", "make one with `polymoe vocab`");
}

std::vector<std::string> characters_of(std::string_view text) {
  std::vector<std::string> characters;
  for (const char32_t character : decode_utf8(text)) append_utf8(characters.emplace_back(), character);
  return characters;
}

std::vector<std::string> split(const SentencePieceProcessor& processor, const std::string& piece) {
  std::vector<std::string> found, parts;
  processor.Encode(piece, &found).IgnoreError();
  for (const std::string& part : found) {
    if (!processor.IsUnknown(processor.PieceToId(part))) {
      parts.push_back(part);
    } else {
      for (std::string& character : characters_of(part)) parts.push_back(std::move(character));
    }
  }
  return parts;
}

float lowest_score(const SentencePieceProcessor& processor) {
  float lowest = 0;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    const bool special = processor.IsUnknown(id) || processor.IsControl(id) || processor.IsByte(id);
    if (!special) lowest = std::min(lowest, processor.GetScore(id));
  }
  return lowest;
}

float unigram_score(const SentencePieceProcessor& processor, const std::string& piece, float lowest) {
  constexpr float kSaved = 0.1F;
  float score = -kSaved;
  for (const std::string& part : split(processor, piece)) {
    const int id = processor.PieceToId(part);
    const bool known = !processor.IsUnknown(id) && !processor.IsByte(id);
    score += kSaved + (known ? processor.GetScore(id) : lowest);
  }
  return std::max(score, lowest);
}

void check_piece(const std::string& piece, const Where& where) {
  const auto bad = [&](const std::string& what) { throw Error(in_quotes(piece) + " can be no piece: " + what, where); };
  if (find_bad_utf8(piece) != std::string::npos) bad("it is not UTF-8");
  if (piece == kSpacePiece) bad("it is a space alone");
  if (piece.find(kSpacePiece, 1) != std::string::npos) bad("a space can stand in front only");
  for (const std::string& character : characters_of(piece)) {
    const bool is_control = character.size() == 1 && static_cast<unsigned char>(character[0]) < 0x20;
    if (is_control || shows_nothing(character)) bad("it holds a space, or a character that shows nothing");
  }
}

std::vector<std::string> pieces_in_list(const std::string& text, const fs::path& path) {
  std::vector<std::string> pieces;
  std::set<std::string> seen;
  std::uint64_t line = 0;
  for (std::size_t begin = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string piece = text.substr(begin, end - begin);
    begin = end + 1;
    ++line;
    if (piece.ends_with('\r')) piece.pop_back();
    if (piece.empty()) continue;
    check_piece(piece, {path, line});
    if (!seen.insert(piece).second) throw Error(in_quotes(piece) + " is given twice", {path, line});
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

std::vector<std::string> pieces_in_model(const std::string& bytes, const fs::path& path) {
  SentencePieceProcessor processor;
  load_sentencepiece(processor, bytes, path, "give a list with one piece a line, or a .model file");
  std::vector<std::string> pieces;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    const bool is_text =
        !processor.IsUnknown(id) && !processor.IsControl(id) && !processor.IsByte(id) && !processor.IsUnused(id);
    if (is_text && processor.IdToPiece(id) != kSpacePiece) pieces.push_back(processor.IdToPiece(id));
  }
  return pieces;
}

}  // namespace

std::vector<std::string> read_pieces(const fs::path& path) {
  const std::string bytes = read_file(path);
  const bool is_text = bytes.find('\0') == std::string::npos;  // the numbers of a model hold zeros
  std::vector<std::string> pieces = is_text ? pieces_in_list(bytes, path) : pieces_in_model(bytes, path);
  if (pieces.empty()) throw Error("holds no piece", {path, 0}, "write one a line, as in \u2581word");
  return pieces;
}

std::string with_pieces(const std::string& model, const std::vector<std::string>& pieces) {
  SentencePieceProcessor processor;
  load_plain(processor, model);
  const float lowest = lowest_score(processor);
  const bool bpe = is_bpe(model);
  float rank = lowest;
  std::string result = model;
  for (const std::string& piece : pieces) {
    append_piece(result, piece, bpe ? rank -= 1 : unigram_score(processor, piece, lowest), PieceType::kNormal);
  }
  return result;
}

std::vector<std::string> joins_for(const std::string& model, const std::vector<std::string>& pieces) {
  if (!is_bpe(model)) return pieces;
  SentencePieceProcessor processor;
  load_plain(processor, model);
  std::vector<std::string> joins;
  std::set<std::string> seen;
  const auto add = [&](const std::string& piece) {
    if (processor.IsUnknown(processor.PieceToId(piece)) && seen.insert(piece).second) joins.push_back(piece);
  };
  for (const std::string& piece : pieces) {
    std::vector<std::string> parts = split(processor, piece);
    const bool spelled = std::any_of(parts.begin(), parts.end(), [&](const std::string& part) {
      return processor.IsByte(processor.PieceToId(part));
    });
    if (spelled) parts = characters_of(piece);
    std::string joined;
    for (const std::string& part : parts) {
      add(part);
      joined += part;
      add(joined);
    }
  }
  return joins;
}

std::vector<std::vector<std::string>> split_pieces(const std::string& model, const std::vector<std::string>& pieces) {
  SentencePieceProcessor processor;
  load_plain(processor, model);
  std::vector<std::vector<std::string>> parts;
  for (const std::string& piece : pieces) parts.push_back(split(processor, piece));
  return parts;
}

std::string with_control_symbols(const std::string& model, const std::vector<std::string>& symbols) {
  std::string result = model;
  for (const std::string& symbol : symbols) append_piece(result, symbol, 0, PieceType::kControl);
  return result;
}

}  // namespace polymoe
