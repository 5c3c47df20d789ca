#include "polymoe/text/glossary.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/base/utf8.h"
#include "polymoe/text/text_encoding.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

std::size_t utf8_bytes(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

std::string with_first(const std::string& text, char32_t first) {
  std::u32string characters = decode_utf8(text);
  characters[0] = first;
  return encode_utf8(characters);
}

/// The capital form of a small letter; the letter itself where it has none. In all alphabets with both they stand at
/// most 80 places before.
char32_t capital_of(char32_t small) {
  for (char32_t capital = small; small - capital < 80 && capital > 0;) {
    if (to_lower(std::u32string(1, --capital)) == std::u32string(1, small)) return capital;
  }
  return small;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\r')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t tab = line.find('\t');
    fields.push_back(trimmed(line.substr(0, tab)));
    if (tab == std::string_view::npos) return fields;
    line.remove_prefix(tab + 1);
  }
}

}  // namespace

std::vector<Glossary::Word> Glossary::words_of(std::string_view text) {
  std::vector<Word> words;
  std::size_t at = 0;
  bool behind_space = false, continues = false;
  for (const char32_t c : decode_utf8(text)) {
    const std::size_t end = at + utf8_bytes(c);
    if (is_space(c)) {
      behind_space = true;
      continues = false;
    } else {
      const bool is_part = continues_word(c);
      if (!(is_part && continues))
        words.push_back({.text = {}, .folded = {}, .behind_space = behind_space, .begin = at});
      words.back().text += c;
      words.back().end = end;
      behind_space = false;
      continues = is_part;
    }
    at = end;
  }
  for (Word& word : words) word.folded = to_lower(word.text);
  return words;
}

Glossary Glossary::load(const std::filesystem::path& path) {
  Glossary glossary;
  LineReader reader(path.string());
  check_beginning(reader);
  std::string line;
  while (reader.next(line)) glossary.read_line(line, {path.string(), reader.line_number()});
  if (glossary.empty()) throw Error("no terms", {path.string(), 0}, "write lines of SOURCE TAB TARGET");
  return glossary;
}

Glossary Glossary::parse(std::string_view text, const std::filesystem::path& path) {
  Glossary glossary;
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    glossary.read_line(std::string(text.substr(0, end)), {path.string(), number});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (glossary.empty()) throw Error("no terms", {path.string(), 0}, "write lines of SOURCE TAB TARGET");
  return glossary;
}

void Glossary::read_line(const std::string& line, const Where& where) {
  check_text(line, where);
  if (line.starts_with('#') || shows_nothing(line)) return;
  const std::vector<std::string_view> fields = fields_of(line);
  if (fields.size() < 2) {
    throw Error(fmt::format("no tab in {}", in_quotes(line)), where,
                "a line of a glossary is SOURCE TAB TARGET, or a comment that begins with #");
  }
  Term term{.words = words_of(fields[0]), .any_case = true, .targets = {}, .line = where.line};
  for (const Word& word : term.words) term.any_case = term.any_case && word.text == word.folded;
  if (term.words.empty()) throw Error("no term before the tab", where, "write SOURCE TAB TARGET");
  for (std::size_t i = 1; i < fields.size(); ++i) {
    if (shows_nothing(fields[i])) throw Error("an empty translation", where, "write SOURCE TAB TARGET");
    term.targets.emplace_back(fields[i]);
  }
  add(std::move(term), where.path);
}

void Glossary::add(Term term, const std::filesystem::path& path) {
  std::vector<Term>& others = terms_[term.words.front().folded];
  const auto same = std::find_if(others.begin(), others.end(), [&](const Term& other) {
    return other.words.size() == term.words.size() && other.any_case == term.any_case &&
           std::equal(other.words.begin(), other.words.end(), term.words.begin(), [](const Word& a, const Word& b) {
             return a.text == b.text && a.behind_space == b.behind_space;
           });
  });
  if (same != others.end()) {
    remark(fmt::format("the term of line {} stands here again", same->line), {path.string(), term.line},
           "this line counts; several translations of a term stand on one line, with tabs between them");
    *same = std::move(term);
    return;
  }
  // Behind the longer ones, and behind those that ask for their case.
  const auto place = std::find_if(others.begin(), others.end(), [&](const Term& other) {
    if (other.words.size() != term.words.size()) return other.words.size() < term.words.size();
    return other.any_case && !term.any_case;
  });
  others.insert(place, std::move(term));
}

std::size_t Glossary::size() const {
  std::size_t count = 0;
  for (const auto& [word, terms] : terms_) count += terms.size();
  return count;
}

bool Glossary::stands_at(const Term& term, const std::vector<Word>& words, std::size_t at) {
  if (at + term.words.size() > words.size()) return false;
  for (std::size_t i = 0; i < term.words.size(); ++i) {
    const Word &wanted = term.words[i], &word = words[at + i];
    if (i > 0 && wanted.behind_space != word.behind_space) return false;
    if (term.any_case ? wanted.folded != word.folded : wanted.text != word.text) return false;
  }
  return true;
}

std::vector<GlossaryMatch> Glossary::find(std::string_view sentence) const {
  std::vector<GlossaryMatch> matches;
  const std::vector<Word> words = words_of(sentence);
  for (std::size_t at = 0; at < words.size();) {
    const auto candidates = terms_.find(words[at].folded);
    const Term* found = nullptr;
    if (candidates != terms_.end()) {
      for (const Term& term : candidates->second) {
        if (found == nullptr && stands_at(term, words, at)) found = &term;
      }
    }
    if (found == nullptr) {
      ++at;
      continue;
    }
    GlossaryMatch match{words[at].begin, words[at + found->words.size() - 1].end, found->targets};
    if (words[at].text[0] != found->words[0].text[0]) {
      for (const std::string& target : found->targets) {
        const char32_t first = decode_utf8(target)[0], capital = capital_of(first);
        if (capital != first) match.targets.push_back(with_first(target, capital));
      }
    }
    matches.push_back(std::move(match));
    at += found->words.size();
  }
  return matches;
}

}  // namespace polymoe
