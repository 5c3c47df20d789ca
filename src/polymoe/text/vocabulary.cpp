#include "polymoe/text/vocabulary.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iterator>
#include <unordered_map>

#include <fmt/ranges.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/utf8.h"
#include "polymoe/text/known_names.h"
#include "polymoe/text/language_names.h"
#include "polymoe/text/piece_model.h"
#include "polymoe/text/tag_pieces.h"

namespace polymoe {
namespace {

const char* const kMaskPiece = "<mask>";
const char* const kRemedy = "make one with `polymoe vocab`";

std::string task_piece(std::string_view task) { return fmt::format("<{}>", task); }

/// Bytes of the first character; 1 for a malformed one.
std::size_t length_of_character(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80 && length < 4) ++length;
  return length;
}

/// How much of `text` is encoded at once: all, or up to the last space in the first `most` bytes, or as many whole
/// characters.
std::size_t length_of_part(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text.size();
  const std::size_t space = text.rfind(' ', most);
  if (space != std::string_view::npos && space > 0) return space;
  std::size_t length = most;
  while (length > 1 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return length;
}

/// Calls visit(part) for the parts of a text that are encoded at once. SentencePiece joins a run of unknown characters
/// one by one, copying all before: quadratic for a long one.
template <typename Visit>
void for_each_part(std::string_view text, const Visit& visit) {
  constexpr std::size_t kWhole = Vocabulary::kWholeTextBytes;
  const std::size_t most = text.size() > kWhole ? kWhole / 4 : kWhole;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, length_of_part(text, most));
    visit(part);
    text.remove_prefix(part.size());
  }
}

/// Of pieces that are another model's SentencePiece leaves the marks of spaces.
void write_spaces(std::string& text) {
  constexpr std::string_view kMark = "\u2581";
  for (std::size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at)) {
    text.replace(at, kMark.size(), 1, ' ');
  }
  text.erase(0, text.find_first_not_of(' '));
  text.erase(text.find_last_not_of(' ') + 1);
}

std::size_t position_of(const std::vector<std::string>& names, std::string_view name, const char* kind) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw Error(fmt::format("the vocabulary has no {} '{}'", kind, name), {}, known_names(name, names));
  }
  return static_cast<std::size_t>(found - names.begin());
}

// SentencePiece's message holds the number that helps, behind words of its own options.
[[noreturn]] void fail_training(const VocabularyOptions& options, std::size_t sentences, const std::string& reason) {
  const std::string what = fmt::format("cannot learn a vocabulary of {} from {} sentences: ", options.size, sentences);
  const auto number_after = [&](std::string_view mark) {
    const std::size_t at = reason.find(mark);
    return at == std::string::npos ? 0 : std::strtoll(reason.c_str() + at + mark.size(), nullptr, 10);
  };
  if (const auto most = number_after("to a value <= "); most > 0) {
    throw Error(fmt::format("{}the text gives at most {}", what, most), {}, "give a smaller size or more text");
  }
  if (const auto least = number_after(" vs "); least > 0) {
    throw Error(fmt::format("{}its characters and the special symbols alone are {}", what, least), {},
                "give a larger size, or byte fallback and a lower character coverage");
  }
  if (reason.find("sentences_.empty()") != std::string::npos) throw Error(what + "none holds text to learn from");
  throw Error(what + reason);
}

void check_options(const VocabularyOptions& options) {
  if (options.model_type != "unigram" && options.model_type != "bpe") {
    throw Error(fmt::format("no model type is named '{}'", options.model_type), {}, "use unigram or bpe");
  }
  if (!(options.character_coverage >= kLeastCharacterCoverage && options.character_coverage <= 1)) {
    fail("a character coverage of {} is not between {} and 1", options.character_coverage, kLeastCharacterCoverage);
  }
}

}  // namespace

struct Vocabulary::State {
  sentencepiece::SentencePieceProcessor processor;
  std::int32_t bos = 0, pad = 1, eos = 2, unk = 3;
  std::int32_t mask = -1;
  TextMarks marks;
  std::vector<std::string> languages;
  std::vector<std::int32_t> language_tags;
  std::vector<std::string> tasks;
  std::vector<std::int32_t> task_tags;
  std::vector<bool> special;  // [size]

  // Of a vocabulary with a layout alone.
  std::vector<std::string> pieces;                                // [size]
  std::unordered_map<std::string_view, std::int32_t> ids;         // of the pieces that a text may hold
  std::unique_ptr<sentencepiece::SentencePieceProcessor> target;  // of target text; null: `processor`
  std::vector<bool> has_target_text;                              // [languages]

  void read_control_pieces(const std::filesystem::path& path);
  void take(VocabularyLayout layout, const std::filesystem::path& path);
  const sentencepiece::SentencePieceProcessor& model_of(std::int32_t language) const;
  std::vector<std::int32_t> encode(std::string_view part, std::int32_t language) const;
  std::vector<std::string> unknown_texts(std::string_view part, std::int32_t language) const;
};

void Vocabulary::State::read_control_pieces(const std::filesystem::path& path) {
  constexpr const char* kFirstPieces[] = {"<s>", "<pad>", "</s>", "<unk>"};
  for (std::int32_t id = 0; id < 4; ++id) {
    if (id >= processor.GetPieceSize() || processor.IdToPiece(id) != kFirstPieces[id]) {
      throw Error(fmt::format("id {} is not {}", id, kFirstPieces[id]), {path, 0}, kRemedy);
    }
  }
  special.resize(static_cast<std::size_t>(processor.GetPieceSize()));
  for (std::int32_t id = 0; id < processor.GetPieceSize(); ++id) {
    if (!processor.IsControl(id)) continue;
    special[static_cast<std::size_t>(id)] = true;
    const std::string& piece = processor.IdToPiece(id);
    if (id <= unk || piece.size() < 3) continue;
    if (piece == kMaskPiece) {
      mask = id;
    } else if (piece.starts_with("<2")) {
      languages.push_back(piece.substr(2, piece.size() - 3));
      language_tags.push_back(id);
    } else {
      tasks.push_back(piece.substr(1, piece.size() - 2));
      task_tags.push_back(id);
    }
  }
  if (mask < 0 || languages.empty()) {
    throw Error("a SentencePiece model without <mask> or language tags", {path, 0}, kRemedy);
  }
}

void Vocabulary::State::take(VocabularyLayout layout, const std::filesystem::path& path) {
  bos = layout.begin;
  pad = layout.pad;
  eos = layout.end;
  unk = layout.unknown;
  mask = layout.mask;
  marks = layout.marks;
  pieces = std::move(layout.pieces);
  special.resize(pieces.size());
  for (const std::int32_t id : layout.special) special[static_cast<std::size_t>(id)] = true;
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    if (!special[id]) ids.emplace(pieces[id], static_cast<std::int32_t>(id));
  }
  for (VocabularyLayout::Language& language : layout.languages) {
    languages.push_back(std::move(language.code));
    language_tags.push_back(language.tag);
    has_target_text.push_back(language.has_target_text);
  }
  if (layout.target_model.empty()) return;
  target = std::make_unique<sentencepiece::SentencePieceProcessor>();
  load_sentencepiece(*target, layout.target_model, path, kRemedy);
}

const sentencepiece::SentencePieceProcessor& Vocabulary::State::model_of(std::int32_t language) const {
  const bool as_target = target != nullptr && has_target_text.at(static_cast<std::size_t>(language));
  return as_target ? *target : processor;
}

std::vector<std::string> Vocabulary::State::unknown_texts(std::string_view part, std::int32_t language) const {
  const sentencepiece::SentencePieceProcessor& model = model_of(language);
  std::vector<std::string> found, unknown;
  const auto status = model.Encode(absl::string_view(part.data(), part.size()), &found);
  if (!status.ok()) fail("cannot encode a text of {} bytes: {}", part.size(), status.ToString());
  for (std::string& piece : found) {
    if (pieces.empty() ? !model.IsUnknown(model.PieceToId(piece)) : ids.count(piece) > 0) continue;
    write_spaces(piece);
    unknown.push_back(std::move(piece));
  }
  return unknown;
}

std::vector<std::int32_t> Vocabulary::State::encode(std::string_view part, std::int32_t language) const {
  const absl::string_view text(part.data(), part.size());
  const sentencepiece::SentencePieceProcessor& model = model_of(language);
  std::vector<std::int32_t> encoded;
  std::vector<std::string> found;
  const auto status = pieces.empty() ? model.Encode(text, &encoded) : model.Encode(text, &found);
  if (!status.ok()) fail("cannot encode a text of {} bytes: {}", part.size(), status.ToString());
  for (const std::string& piece : found) {
    const auto known = ids.find(piece);
    encoded.push_back(known == ids.end() ? unk : known->second);
  }
  return encoded;
}

Vocabulary::Vocabulary(std::unique_ptr<State> state) : state_(std::move(state)) {}
Vocabulary::~Vocabulary() = default;
Vocabulary::Vocabulary(Vocabulary&&) noexcept = default;
Vocabulary& Vocabulary::operator=(Vocabulary&&) noexcept = default;

Vocabulary Vocabulary::load(const std::filesystem::path& path) { return parse(read_file(path), path); }

Vocabulary Vocabulary::parse(const std::string& bytes, const std::filesystem::path& path) {
  auto state = std::make_unique<State>();
  load_sentencepiece(state->processor, bytes, path, kRemedy);
  if (std::optional<VocabularyLayout> layout = read_layout(bytes, path)) {
    state->take(std::move(*layout), path);
  } else {
    state->read_control_pieces(path);
  }
  return Vocabulary(std::move(state));
}

std::int32_t Vocabulary::size() const { return static_cast<std::int32_t>(state_->special.size()); }
std::int32_t Vocabulary::bos() const { return state_->bos; }
std::int32_t Vocabulary::pad() const { return state_->pad; }
std::int32_t Vocabulary::eos() const { return state_->eos; }
std::int32_t Vocabulary::unk() const { return state_->unk; }
std::int32_t Vocabulary::mask() const { return state_->mask; }
const TextMarks& Vocabulary::marks() const { return state_->marks; }
const std::vector<std::string>& Vocabulary::languages() const { return state_->languages; }
const std::vector<std::string>& Vocabulary::tasks() const { return state_->tasks; }

std::int32_t Vocabulary::language_index(std::string_view language) const {
  const std::string known = known_language(language, state_->languages);
  return static_cast<std::int32_t>(position_of(state_->languages, known.empty() ? language : known, "language"));
}

std::int32_t Vocabulary::language_tag(std::string_view language) const {
  return language_tag(language_index(language));
}

std::int32_t Vocabulary::language_tag(std::int32_t index) const {
  return state_->language_tags.at(static_cast<std::size_t>(index));
}

std::int32_t Vocabulary::task_tag(std::string_view task) const {
  return state_->task_tags[position_of(state_->tasks, task, "task")];
}

bool Vocabulary::has_sides() const { return state_->target != nullptr; }

bool Vocabulary::is_target(std::int32_t language) const {
  return has_sides() && state_->has_target_text.at(static_cast<std::size_t>(language));
}

std::vector<std::int32_t> Vocabulary::encode(std::string_view text, std::int32_t language) const {
  std::vector<std::int32_t> ids;
  encode(text, language, ids);
  return ids;
}

void Vocabulary::encode(std::string_view text, std::int32_t language, std::vector<std::int32_t>& ids) const {
  for_each_part(text, [&](std::string_view part) {
    const std::vector<std::int32_t> added = state_->encode(part, language);
    ids.insert(ids.end(), added.begin(), added.end());
  });
}

std::vector<std::string> Vocabulary::unknown_texts(std::string_view text, std::int32_t language) const {
  std::vector<std::string> texts;
  for_each_part(text, [&](std::string_view part) {
    for (std::string& found : state_->unknown_texts(part, language)) texts.push_back(std::move(found));
  });
  return texts;
}

bool Vocabulary::is_empty(std::string_view text) const {
  std::string normal;
  while (!text.empty()) {
    const std::string_view character = text.substr(0, length_of_character(text));
    if (!shows_nothing(character)) {
      state_->processor.Normalize(absl::string_view(character.data(), character.size()), &normal).IgnoreError();
      if (!normal.empty()) return false;
    }
    text.remove_prefix(character.size());
  }
  return true;
}

bool Vocabulary::keeps(char32_t character) const {
  // Between two characters that combine with nothing, and are not trimmed as spaces at an end are.
  std::string text = "|", normal;
  append_utf8(text, character);
  text += '|';
  state_->processor.Normalize(text, &normal).IgnoreError();
  return normal.ends_with(text) || character == U' ';
}

std::string Vocabulary::decode(const std::vector<std::int32_t>& ids) const {
  std::vector<std::int32_t> kept;
  kept.reserve(ids.size());
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= size()) fail("id {} is outside the vocabulary of {}", id, size());
    if (!is_special(id)) kept.push_back(id);
  }
  std::string text;
  std::vector<std::string> pieces;
  if (!state_->pieces.empty()) {
    for (const std::int32_t id : kept) pieces.push_back(state_->pieces[static_cast<std::size_t>(id)]);
  }
  const auto& model = state_->target != nullptr ? *state_->target : state_->processor;
  const auto status = pieces.empty() ? model.Decode(kept, &text) : model.Decode(pieces, &text);
  if (!status.ok()) fail("cannot decode {} ids: {}", ids.size(), status.ToString());
  if (!state_->pieces.empty()) write_spaces(text);
  return text;
}

bool Vocabulary::is_special(std::int32_t id) const { return state_->special.at(static_cast<std::size_t>(id)); }

std::string_view Vocabulary::text_piece(std::int32_t id) const {
  if (is_special(id) || id == unk()) return {};
  const sentencepiece::SentencePieceProcessor& model = state_->processor;
  const std::string& piece =
      state_->pieces.empty() ? model.IdToPiece(id) : state_->pieces[static_cast<std::size_t>(id)];
  return model.IsByte(model.PieceToId(piece)) ? std::string_view() : piece;
}

void check_task_name(std::string_view name) {
  constexpr std::string_view kTaken[] = {"translation", "denoising", "mask", "s", "pad", "unk", kDenoisingTag};
  const bool taken = std::find(std::begin(kTaken), std::end(kTaken), name) != std::end(kTaken);
  if (is_language_code(name) && !name.starts_with('2') && !taken) return;
  throw Error(fmt::format("{} cannot be the name of a task", in_quotes(name)), {},
              taken ? "it has a meaning already; give another" : "use letters, digits and '_', and no 2 in front");
}

bool can_be_learned_from(std::string_view sentence) {
  return sentence.find("\u2585") == std::string_view::npos && !shows_nothing(sentence);
}

std::string train_vocabulary(const VocabularyOptions& options, const std::vector<std::string>& languages,
                             const std::vector<std::string>& sentences) {
  check_options(options);
  std::vector<std::string> symbols = {kMaskPiece};
  for (const std::string& task : options.tasks) {
    if (task != kDenoisingTag) check_task_name(task);
    symbols.push_back(task_piece(task));
  }
  for (const std::string& language : languages) {
    if (!is_language_code(language)) {
      throw Error(fmt::format("'{}' is no language code", language), {}, "use letters, digits, '_' and '@'");
    }
    symbols.push_back(tag_piece(language));
  }
  if (languages.empty()) fail("a vocabulary needs at least one language");
  if (sentences.empty()) fail("a vocabulary needs text to learn from");

  // SentencePiece would pass over what is longer than its own limit, without a word.
  std::size_t longest = 0;
  for (const std::string& sentence : sentences) longest = std::max(longest, sentence.size());
  sentencepiece::SetMinLogLevel(3);  // its errors also come back as a status
  const std::unordered_map<std::string, std::string> arguments = {
      {"model_type", options.model_type},
      {"vocab_size", std::to_string(options.size)},
      {"max_sentence_length", std::to_string(std::max<std::size_t>(longest, 4192))},
      {"character_coverage", std::to_string(options.character_coverage)},
      {"normalization_rule_name", options.normalization},
      {"byte_fallback", options.byte_fallback ? "true" : "false"},
      {"bos_id", "0"},
      {"pad_id", "1"},
      {"eos_id", "2"},
      {"unk_id", "3"},
      {"num_threads", "16"},  // sums are taken thread by thread, so another number would round another way
      {"control_symbols", fmt::format("{}", fmt::join(symbols, ","))},
      {"seed_sentencepiece_size", std::to_string(std::max<std::int64_t>(100'000, 20 * options.size))},
      {"minloglevel", "3"}};
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(arguments, sentences, &model);
  if (!status.ok()) fail_training(options, sentences.size(), status.ToString());
  return model;
}

}  // namespace polymoe
