#include "polymoe/text/extend_vocabulary.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include <fmt/ranges.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/base/utf8.h"
#include "polymoe/text/known_names.h"
#include "polymoe/text/language_names.h"
#include "polymoe/text/new_pieces.h"
#include "polymoe/text/tag_pieces.h"
#include "polymoe/text/vocabulary.h"
#include "polymoe/text/vocabulary_layout.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

constexpr char32_t kSpaceMark = U'\u2581';

// The vocabulary that is to grow.
struct Old {
  Old(const std::string& bytes, const fs::path& path)
      : vocabulary(Vocabulary::parse(bytes, path)),
        layout(read_layout(bytes, path)),
        model(without_layout(bytes)),
        pieces(layout ? layout->pieces : pieces_of(model)) {
    for (std::size_t id = 0; id < pieces.size(); ++id) ids.emplace(pieces[id], static_cast<std::int32_t>(id));
  }

  Vocabulary vocabulary;
  std::optional<VocabularyLayout> layout;
  std::string model;
  std::vector<std::string> pieces;  // of every id
  std::unordered_map<std::string, std::int32_t> ids;
};

std::string tag_of(const Old& old, const std::string& language) {
  return old.layout ? tag_piece(old.layout->family, language) : tag_piece(language);
}

// The tags of new languages, with the old tags that each is like.
std::vector<std::pair<std::string, Ids>> new_tags(const Old& old, const std::vector<NewLanguage>& languages) {
  const std::vector<std::string>& known = old.vocabulary.languages();
  std::vector<std::pair<std::string, Ids>> tags;
  std::set<std::string> seen;
  for (const NewLanguage& language : languages) {
    if (!is_language_code(language.code)) {
      throw Error(in_quotes(language.code) + " is no language code", {}, "use letters, digits, '_' and '@'");
    }
    if (const std::string same = find_language(language.code, known); !same.empty()) {
      fail("the vocabulary has the language {} already, as {}", in_quotes(language.code), in_quotes(same));
    }
    if (!seen.insert(language.code).second) fail("the language {} is given twice", in_quotes(language.code));
    const std::string tag = tag_of(old, language.code);
    if (old.ids.contains(tag)) fail("{} is a piece of the vocabulary already", in_quotes(tag));
    Ids like;
    for (const std::string& other : language.like.empty() ? known : language.like) {
      const std::string name = find_language(other, known);
      if (name.empty()) {
        throw Error(fmt::format("{} is to be like {}, but the vocabulary has no such language", language.code,
                                in_quotes(other)),
                    {}, known_names(other, known));
      }
      if (const std::int32_t id = old.vocabulary.language_tag(name); id >= 0) like.push_back(id);
    }
    tags.emplace_back(tag, std::move(like));
  }
  return tags;
}

// Whether a text can hold a piece once it is normalised.
bool stays(const Old& old, const std::string& piece) {
  const std::u32string text = decode_utf8(piece);
  return std::all_of(text.begin(), text.end(), [&](char32_t c) { return c == kSpaceMark || old.vocabulary.keeps(c); });
}

std::vector<std::string> new_pieces(const Old& old, const std::vector<std::string>& pieces) {
  std::vector<std::string> wanted;
  RemarkTally known("pieces that the vocabulary has already"), changed("pieces that are left out");
  for (const std::string& piece : pieces) {
    if (old.ids.contains(piece)) {
      known.add(fmt::format("the vocabulary has {} already", in_quotes(piece)));
    } else if (!stays(old, piece)) {
      changed.add(
          fmt::format("{} is left out: no text holds it after the vocabulary's normalisation", in_quotes(piece)));
    } else {
      wanted.push_back(piece);
    }
  }
  known.finish();
  changed.finish();
  std::vector<std::string> result = joins_for(old.model, wanted);
  if (old.layout && !old.layout->target_model.empty()) result = joins_for(old.layout->target_model, result);
  std::erase_if(result, [&](const std::string& piece) { return old.ids.contains(piece); });
  if (result.size() > wanted.size()) {
    remark(fmt::format("{} pieces are added that lead to others: a BPE model builds each by joining two",
                       result.size() - wanted.size()));
  }
  return result;
}

// The old pieces that a new one was.
Ids parts_of(const Old& old, const std::vector<std::string>& parts) {
  Ids ids;
  for (const std::string& part : parts) {
    const auto found = old.ids.find(part);
    const bool is_text =
        found != old.ids.end() && found->second != old.vocabulary.unk() && !old.vocabulary.is_special(found->second);
    if (is_text) ids.push_back(found->second);
  }
  return ids;
}

class Extender {
 public:
  Extender(const Old& old, const std::vector<NewLanguage>& languages, const std::vector<std::string>& pieces)
      : old_(old), languages_(languages), tags_(new_tags(old, languages)), pieces_(new_pieces(old, pieces)) {
    if (tags_.empty() && pieces_.empty()) fail("there is nothing to add: no new language and no new piece");
    if (!tags_.empty() && old.layout && old.layout->marks.source == TextMarks::Source::kPlain) {
      fail("a model of one language pair reads no tags, so it can get pieces, but no languages");
    }
  }

  ExtendedVocabulary make() {
    const auto size = static_cast<std::int32_t>(old_.pieces.size());
    std::int32_t pieces_at = size, tags_at = size;
    if (old_.layout && old_.layout->family == VocabularyFamily::kMarian) {
      // <pad> stays the last, where other programs look for it.
      if (old_.layout->pad == size - 1) pieces_at = tags_at = size - 1;
    } else if (old_.layout) {
      pieces_at = 0;
      for (std::int32_t id = 0; id < size; ++id) {
        if (!old_.vocabulary.is_special(id)) pieces_at = id + 1;
      }
      tags_at = pieces_at;
      for (const auto& language : old_.layout->languages) tags_at = std::max(tags_at, language.tag + 1);
    }
    insert_old(0, pieces_at);
    insert_pieces();
    insert_old(pieces_at, tags_at);
    const auto first_tag = static_cast<std::int32_t>(result_.from.size());
    for (const auto& [tag, like] : tags_) result_.from.push_back(like);
    insert_old(tags_at, size);
    result_.pieces = pieces_;
    result_.bytes = old_.layout ? imported(first_tag) : own();
    return std::move(result_);
  }

 private:
  void insert_old(std::int32_t begin, std::int32_t end) {
    for (std::int32_t id = begin; id < end; ++id) {
      new_ids_.push_back(static_cast<std::int32_t>(result_.from.size()));
      result_.from.push_back({id});
    }
  }

  void insert_pieces() {
    for (const std::vector<std::string>& parts : split_pieces(old_.model, pieces_)) {
      result_.from.push_back(parts_of(old_, parts));
    }
  }

  std::vector<std::string> tags() const {
    std::vector<std::string> tags;
    for (const auto& [tag, like] : tags_) tags.push_back(tag);
    return tags;
  }

  std::string own() const { return with_control_symbols(with_pieces(old_.model, pieces_), tags()); }

  std::string imported(std::int32_t first_tag) const {
    VocabularyLayout layout = *old_.layout;
    std::vector<std::string> added = pieces_;
    for (std::string& tag : tags()) added.push_back(std::move(tag));
    layout.pieces.resize(result_.from.size());
    std::size_t next = 0;
    std::vector<bool> is_old(result_.from.size());
    for (const std::int32_t id : new_ids_) is_old[static_cast<std::size_t>(id)] = true;
    for (std::size_t id = 0; id < is_old.size(); ++id) {
      if (!is_old[id]) layout.pieces[id] = added[next++];
    }
    for (std::size_t id = 0; id < new_ids_.size(); ++id) {
      layout.pieces[static_cast<std::size_t>(new_ids_[id])] = old_.pieces[id];
    }
    const auto move = [&](std::int32_t& id) {
      if (id >= 0) id = new_ids_[static_cast<std::size_t>(id)];
    };
    for (std::int32_t* const id : {&layout.begin, &layout.pad, &layout.end, &layout.unknown, &layout.mask}) move(*id);
    for (std::int32_t& id : layout.special) move(id);
    for (auto& language : layout.languages) move(language.tag);
    for (const NewLanguage& language : languages_) {
      layout.languages.push_back({language.code, first_tag, true});
      layout.special.push_back(first_tag++);
    }
    if (!layout.target_model.empty()) layout.target_model = with_pieces(layout.target_model, pieces_);
    return with_layout(with_pieces(old_.model, pieces_), layout);
  }

  const Old& old_;
  const std::vector<NewLanguage>& languages_;
  const std::vector<std::pair<std::string, Ids>> tags_;
  const std::vector<std::string> pieces_;
  ExtendedVocabulary result_;
  Ids new_ids_;  // of the old ids
};

}  // namespace

NewLanguage NewLanguage::parse(std::string_view text) {
  NewLanguage language;
  const std::size_t equals = text.find('=');
  language.code = text.substr(0, equals);
  if (language.code.empty()) throw Error(in_quotes(text) + " names no language", {}, "write it as in ast=es");
  for (std::size_t at = equals; at != std::string_view::npos;) {
    const std::size_t begin = at + 1;
    at = text.find('+', begin);
    language.like.emplace_back(text.substr(begin, at == std::string_view::npos ? at : at - begin));
    if (language.like.back().empty())
      throw Error(in_quotes(text) + " ends in no language", {}, "write it as in ast=es");
  }
  return language;
}

ExtendedVocabulary extend_vocabulary(const std::string& bytes, const fs::path& path,
                                     const std::vector<NewLanguage>& languages,
                                     const std::vector<std::string>& pieces) {
  const Old old(bytes, path);
  ExtendedVocabulary result = Extender(old, languages, pieces).make();
  Vocabulary::parse(result.bytes, path);
  return result;
}

}  // namespace polymoe
