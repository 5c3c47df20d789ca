#include "polymoe/interchange/foreign_vocabulary.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/base/utf8.h"
#include "polymoe/text/tag_pieces.h"
#include "polymoe/text/vocabulary.h"
#include "polymoe/text/vocabulary_layout.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kModelFile = "sentencepiece.bpe.model";
constexpr const char* kMask = "<mask>";

json read_object(const fs::path& path) {
  json value = try_parse_json(read_file(path));
  if (!value.is_object()) throw Error("not a JSON object", {path, 0}, "copy or download it again");
  return value;
}

json read_object_if_there(const fs::path& path) { return path_exists(path) ? read_object(path) : json::object(); }

// Fills the ids of a layout, each once, and knows how many the model has.
class IdTable {
 public:
  IdTable(std::int64_t size, fs::path folder) : pieces_(static_cast<std::size_t>(size)), folder_(std::move(folder)) {}

  void set(std::int64_t id, const std::string& piece) {
    if (id < 0 || id >= static_cast<std::int64_t>(pieces_.size())) {
      bad(fmt::format("{} has the id {}, but the model has {} rows", in_quotes(piece), id, pieces_.size()));
    }
    if (piece.empty() || find_bad_utf8(piece) != std::string_view::npos)
      bad(fmt::format("the piece of id {} is no text", id));
    std::string& place = pieces_[static_cast<std::size_t>(id)];
    if (!place.empty() && place != piece)
      bad(fmt::format("{} and {} have the id {}", in_quotes(place), in_quotes(piece), id));
    const auto [known, is_new] = ids_.emplace(piece, id);
    if (!is_new && known->second != id)
      bad(fmt::format("{} has the ids {} and {}", in_quotes(piece), known->second, id));
    place = piece;
  }

  std::int32_t find(const std::string& piece) const {
    const auto found = ids_.find(piece);
    return found == ids_.end() ? -1 : static_cast<std::int32_t>(found->second);
  }
  std::int32_t need(const std::string& piece) const {
    const std::int32_t id = find(piece);
    if (id < 0) bad("there is no " + piece);
    return id;
  }

  // Gives ids without a piece, which models have to round their sizes up, a name that no text holds.
  std::vector<std::string> finish(std::vector<std::int32_t>& special) {
    for (std::size_t id = 0; id < pieces_.size(); ++id) {
      if (!pieces_[id].empty()) continue;
      pieces_[id] = fmt::format("<unused {}>", id);
      special.push_back(static_cast<std::int32_t>(id));
    }
    return std::move(pieces_);
  }

  [[noreturn]] void bad(const std::string& what) const {
    throw Error("the tokenizer is not this model's: " + what, {folder_, 0}, "give the folder the files of one model");
  }

 private:
  std::vector<std::string> pieces_;
  std::map<std::string, std::int64_t> ids_;
  fs::path folder_;
};

// Tokens that were added to those of the SentencePiece model, with their ids; -1 where only their order is known.
std::vector<std::pair<std::int64_t, std::string>> added_tokens(const fs::path& folder) {
  std::vector<std::pair<std::int64_t, std::string>> tokens;
  const auto add = [&](std::int64_t id, const json& content) {
    if (content.is_string()) tokens.emplace_back(id, content.get<std::string>());
  };
  const json config = read_object_if_there(folder / "tokenizer_config.json");
  if (const auto decoder = config.find("added_tokens_decoder"); decoder != config.end() && decoder->is_object()) {
    for (const auto& [id, token] : decoder->items()) {
      const bool is_number = !id.empty() && id.size() < 10 && id.find_first_not_of("0123456789") == std::string::npos;
      if (is_number && token.is_object() && token.contains("content")) add(std::stoll(id), token["content"]);
    }
  }
  if (tokens.empty()) {
    const json fast = read_object_if_there(folder / "tokenizer.json");
    if (const auto list = fast.find("added_tokens"); list != fast.end() && list->is_array()) {
      for (const json& token : *list) {
        const bool whole = token.is_object() && token.contains("content") && token.contains("id") &&
                           token["id"].is_number_unsigned() && token["id"] < (std::int64_t{1} << 31);
        if (whole) add(token["id"].get<std::int64_t>(), token["content"]);
      }
    }
  }
  if (tokens.empty()) {
    const json map = read_object_if_there(folder / "special_tokens_map.json");
    if (const auto list = map.find("additional_special_tokens"); list != map.end() && list->is_array()) {
      for (const json& token : *list) add(-1, token.is_object() ? token.value("content", json()) : token);
    }
  }
  return tokens;
}

// A language's code in NLLB's and M2M100's tokens; "" in others.
std::string language_of(const std::string& token, VocabularyFamily family) {
  if (family == VocabularyFamily::kNllb) return token.front() == '<' ? "" : token;
  const bool framed = token.size() > 4 && token.starts_with("__") && token.ends_with("__");
  return framed ? token.substr(2, token.size() - 4) : "";
}

// Ids of the entries of a vocab.json.
void set_entries(const fs::path& path, IdTable& ids) {
  const json entries = read_object(path);
  for (const auto& [piece, id] : entries.items()) {
    if (!id.is_number_integer()) throw Error("the id of " + in_quotes(piece) + " is no number", {path, 0});
    ids.set(id.get<std::int64_t>(), piece);
  }
}

// fairseq's four ids, then the pieces of the model behind its own three.
void set_fairseq_pieces(const std::string& model, const fs::path& path, IdTable& ids) {
  const std::vector<std::string> pieces = pieces_of(model);
  constexpr const char* kOwn[] = {"<unk>", "<s>", "</s>"};
  for (std::size_t i = 0; i < 3; ++i) {
    if (i >= pieces.size() || pieces[i] != kOwn[i])
      throw Error(fmt::format("piece {} is not {}", i, kOwn[i]), {path, 0});
  }
  constexpr const char* kFirst[] = {"<s>", "<pad>", "</s>", "<unk>"};
  for (std::int64_t id = 0; id < 4; ++id) ids.set(id, kFirst[id]);
  for (std::size_t i = 3; i < pieces.size(); ++i) ids.set(static_cast<std::int64_t>(i) + 1, pieces[i]);
}

void set_common_ids(const IdTable& ids, VocabularyLayout& layout) {
  layout.begin = ids.find("<s>");
  layout.pad = ids.need("<pad>");
  layout.end = ids.need("</s>");
  layout.unknown = ids.need("<unk>");
  layout.mask = ids.find(kMask);
  for (const std::int32_t id : {layout.begin, layout.pad, layout.end, layout.mask}) {
    if (id >= 0) layout.special.push_back(id);
  }
}

// Of NLLB and M2M100: one SentencePiece model, and a tag for each language behind its pieces.
std::string read_tagged(const fs::path& folder, const ForeignConfig& config, VocabularyFamily family) {
  const std::string model = read_file(folder / kModelFile);
  IdTable ids(config.model.vocabulary, folder);
  std::int64_t next = 0;
  if (family == VocabularyFamily::kNllb) {
    set_fairseq_pieces(model, folder / kModelFile, ids);
    next = static_cast<std::int64_t>(pieces_of(model).size()) + 1;
  } else {
    set_entries(folder / "vocab.json", ids);
    next = static_cast<std::int64_t>(read_object(folder / "vocab.json").size());
  }
  VocabularyLayout layout;
  layout.family = family;
  std::vector<std::pair<std::int64_t, std::string>> tokens = added_tokens(folder);
  std::stable_sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [id, token] : tokens) {
    if (token.empty()) continue;
    const std::string language = language_of(token, family);
    if (language.empty() && token != kMask) continue;
    if (id < 0) id = next++;
    ids.set(id, token);
    if (language.empty()) continue;
    layout.languages.push_back({language, static_cast<std::int32_t>(id), true});
    layout.special.push_back(static_cast<std::int32_t>(id));
  }
  if (layout.languages.empty()) {
    throw Error(
        "no file of the tokenizer names its languages", {folder, 0},
        "tokenizer_config.json, tokenizer.json or special_tokens_map.json does, as `save_pretrained` writes them");
  }
  set_common_ids(ids, layout);
  layout.pieces = ids.finish(layout.special);
  const json tokenizer = read_object_if_there(folder / "tokenizer_config.json");
  const bool behind = tokenizer.contains("legacy_behaviour") && tokenizer["legacy_behaviour"] == true;
  layout.marks = {behind ? TextMarks::Source::kSourceTagBehind : TextMarks::Source::kSourceTag,
                  TextMarks::Target::kEndTag};
  return with_layout(model, layout);
}

std::string named_language(const json& tokenizer, const char* key, const fs::path& folder) {
  const auto found = tokenizer.find(key);
  if (found == tokenizer.end() || !found->is_string() || found->get<std::string>().empty()) {
    throw Error(fmt::format("names no {}", key), {folder / "tokenizer_config.json", 0},
                "add it: \"" + std::string(key) + "\": \"en\"");
  }
  return found->get<std::string>();
}

// Of Marian: a SentencePiece model for each side, and one table of ids. A model of several target languages has a piece
// ">>deu<<" for each, with which its sources begin.
std::string read_marian(const fs::path& folder, const ForeignConfig& config) {
  const std::string model = read_file(folder / "source.spm");
  IdTable ids(config.model.vocabulary, folder);
  set_entries(folder / "vocab.json", ids);
  VocabularyLayout layout;
  layout.family = VocabularyFamily::kMarian;
  layout.target_model = read_file(folder / "target.spm");
  set_common_ids(ids, layout);
  layout.pieces = ids.finish(layout.special);
  const json tokenizer = read_object_if_there(folder / "tokenizer_config.json");
  layout.languages = {{named_language(tokenizer, "source_lang", folder), -1, false}};
  for (std::size_t id = 0; id < layout.pieces.size(); ++id) {
    const std::string& piece = layout.pieces[id];
    if (piece.size() <= 4 || !piece.starts_with(">>") || !piece.ends_with("<<")) continue;
    const std::string code = piece.substr(2, piece.size() - 4);
    layout.special.push_back(static_cast<std::int32_t>(id));
    if (code == layout.languages.front().code) {
      layout.languages.front().tag = static_cast<std::int32_t>(id);
    } else {
      layout.languages.push_back({code, static_cast<std::int32_t>(id), true});
    }
  }
  const bool has_tags = layout.languages.size() > 1;
  if (!has_tags) {
    const std::string target = named_language(tokenizer, "target_lang", folder);
    if (target == layout.languages.front().code)
      ids.bad("its source and target language are both " + in_quotes(target));
    layout.languages.push_back({target, -1, true});
  }
  layout.marks = {has_tags ? TextMarks::Source::kTargetTag : TextMarks::Source::kPlain, TextMarks::Target::kPad};
  return with_layout(model, layout);
}

ordered_json tokenizer_config(const VocabularyLayout& layout) {
  ordered_json config;
  const auto add_token = [&](std::int32_t id) {
    if (id < 0) return;
    config["added_tokens_decoder"][std::to_string(id)] = {{"content", layout.pieces[static_cast<std::size_t>(id)]},
                                                          {"lstrip", false},
                                                          {"normalized", false},
                                                          {"rstrip", false},
                                                          {"single_word", false},
                                                          {"special", true}};
  };
  for (const std::int32_t id : {layout.begin, layout.pad, layout.end, layout.unknown}) add_token(id);
  config["eos_token"] = "</s>";
  config["pad_token"] = "<pad>";
  config["unk_token"] = "<unk>";
  if (layout.family == VocabularyFamily::kMarian) {
    config["source_lang"] = layout.languages.front().code;
    config["target_lang"] = layout.languages.back().code;
    config["tokenizer_class"] = "MarianTokenizer";
    return config;
  }
  const bool nllb = layout.family == VocabularyFamily::kNllb;
  for (const auto& language : layout.languages) {
    add_token(language.tag);
    config["additional_special_tokens"].push_back(tag_piece(layout.family, language.code));
  }
  add_token(layout.mask);
  config["bos_token"] = "<s>";
  config["src_lang"] = layout.languages.front().code;
  if (nllb) config["legacy_behaviour"] = layout.marks.source == TextMarks::Source::kSourceTagBehind;
  config["tokenizer_class"] = nllb ? "NllbTokenizer" : "M2M100Tokenizer";
  return config;
}

// The entries of vocab.json: without the rows that only round the size up, and of M2M100 without the tags.
ordered_json entries_of(const VocabularyLayout& layout) {
  std::vector<bool> listed(layout.pieces.size(), true);
  for (const std::int32_t id : layout.special) listed[static_cast<std::size_t>(id)] = false;
  for (const std::int32_t id : {layout.begin, layout.pad, layout.end, layout.mask}) {
    if (id >= 0) listed[static_cast<std::size_t>(id)] = true;
  }
  for (const auto& language : layout.languages) {
    if (language.tag >= 0) listed[static_cast<std::size_t>(language.tag)] = layout.family == VocabularyFamily::kMarian;
  }
  ordered_json entries;
  for (std::size_t id = 0; id < layout.pieces.size(); ++id) {
    if (listed[id]) entries[layout.pieces[id]] = id;
  }
  return entries;
}

}  // namespace

std::optional<std::string> read_foreign_vocabulary(const fs::path& folder, const ForeignConfig& config) {
  const bool marian = config.kind == ForeignClass::kMarian;
  const char* const model = marian ? "source.spm" : kModelFile;
  if (!path_exists(folder / model)) {
    remark(fmt::format("the model comes without a vocabulary: there is no {}", model), {folder, 0},
           "such a model can be changed and exported, but not trained or translated with");
    return std::nullopt;
  }
  const bool has_entries = path_exists(folder / "vocab.json");
  const std::string bytes =
      marian ? read_marian(folder, config)
             : read_tagged(folder, config, has_entries ? VocabularyFamily::kM2m100 : VocabularyFamily::kNllb);
  Vocabulary::parse(bytes, folder / model);  // throws for a model that is damaged
  const ForeignIds ids = foreign_ids(bytes, folder);
  if (ids.pad != config.ids.pad || (config.ids.end >= 0 && ids.end != config.ids.end) ||
      (config.ids.decoder_start >= 0 && ids.decoder_start != config.ids.decoder_start)) {
    throw Error(
        fmt::format("the tokenizer is not this model's: <pad>, </s> and what the decoder starts from have the ids {}, "
                    "{} and {}, but {}, {} and {} by config.json",
                    ids.pad, ids.end, ids.decoder_start, config.ids.pad, config.ids.end, config.ids.decoder_start),
        {folder, 0}, "give the folder the files of one model");
  }
  return bytes;
}

std::map<std::string, std::string> write_foreign_vocabulary(const std::string& vocabulary, const fs::path& path) {
  const std::optional<VocabularyLayout> layout = read_layout(vocabulary, path);
  if (!layout) fail("{}: has no layout of another program's ids", path.string());
  std::map<std::string, std::string> files{{"tokenizer_config.json", dump_json(tokenizer_config(*layout), 2) + "\n"}};
  const bool marian = layout->family == VocabularyFamily::kMarian;
  files.emplace(marian ? "source.spm" : kModelFile, without_layout(vocabulary));
  if (marian) files.emplace("target.spm", layout->target_model);
  if (layout->family != VocabularyFamily::kNllb) files.emplace("vocab.json", dump_json(entries_of(*layout), 2) + "\n");
  return files;
}

ForeignIds foreign_ids(const std::string& vocabulary, const fs::path& path) {
  const std::optional<VocabularyLayout> layout = read_layout(vocabulary, path);
  if (!layout) return {0, 1, 2, -1};  // this project's own
  ForeignIds ids{layout->begin, layout->pad, layout->end, -1};
  if (layout->marks.target == TextMarks::Target::kEndTag) ids.decoder_start = ids.end;
  if (layout->marks.target == TextMarks::Target::kPad) ids.decoder_start = ids.pad;
  return ids;
}

}  // namespace polymoe
