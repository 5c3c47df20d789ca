#include "polymoe/decode/forbidden.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/decode/translator.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/phrase_list.h"
#include "support/table_model.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

using ::testing::HasSubstr;
using testing::Ids;
using ::testing::Not;
using testing::TableModel;

Vocabulary make_file_words(bool byte_fallback) {
  std::vector<std::string> text;
  for (int i = 0; i < 200; ++i) {
    text.push_back("Open the file or the files in the folder number " + std::to_string(i) + ".");
    text.push_back("Die Datei oder die Dateien im Ordner mit der Nummer " + std::to_string(i) + " (offen).");
  }
  VocabularyOptions options;
  options.size = byte_fallback ? 400 : 130;
  options.byte_fallback = byte_fallback;
  return Vocabulary::parse(train_vocabulary(options, {"en", "de"}, text), "test");
}

const Vocabulary& file_words() {
  static const Vocabulary made = make_file_words(false);
  return made;
}
const std::vector<std::u32string>& file_pieces() {
  static const std::vector<std::u32string> made = piece_texts(file_words());
  return made;
}

ForbiddenPhrases forbidden(const std::vector<std::string>& phrases) {
  return {phrases, file_words(), file_pieces(), 1};
}

// Whether the pieces `ids` come through: each of them may come behind those before.
bool may_write(const ForbiddenPhrases& phrases, const Ids& ids) {
  Ids read;
  for (const std::int32_t id : ids) {
    const Ids banned = phrases.completions(read);
    if (std::count(banned.begin(), banned.end(), id) > 0) return false;
    read.push_back(id);
  }
  return true;
}

// All ways to cut a text into pieces, up to `most`.
void cut(const std::u32string& text, const Ids& before, std::vector<Ids>& ways, std::size_t most) {
  if (text.empty()) ways.push_back(before);
  for (std::int32_t id = 0; !text.empty() && id < file_words().size() && ways.size() < most; ++id) {
    std::u32string piece = file_pieces()[static_cast<std::size_t>(id)];
    if (piece.empty() || !text.starts_with(piece)) continue;
    Ids ids = before;
    ids.push_back(id);
    cut(text.substr(piece.size()), ids, ways, most);
  }
}

TEST(ForbiddenPhrases, ComeThroughInNoSegmentation) {
  const ForbiddenPhrases phrases = forbidden({"Datei", "der Nummer"});
  std::size_t all = 0;
  for (const std::u32string text : {U" Die Datei im Ordner", U" mit der Nummer 1", U" (Datei)"}) {
    std::vector<Ids> ways;
    cut(text, {}, ways, 2000);
    all += ways.size();
    for (const Ids& ids : ways) EXPECT_FALSE(may_write(phrases, ids)) << file_words().decode(ids);
  }
  EXPECT_GT(all, 5u);
}

TEST(ForbiddenPhrases, AreWholeWords) {
  EXPECT_EQ(forbidden({"Datei"}).count_in("Die Dateien"), 0u);
  EXPECT_EQ(forbidden({"Datei"}).count_in("Die Datei."), 1u);
  EXPECT_EQ(forbidden({"Datei", "die datei"}).count_in("Die  Datei"), 2u);
  EXPECT_EQ(forbidden({"rdner"}).count_in("im Ordner"), 0u);
  // "rdner" in the middle of a word may be written, whatever its pieces.
  EXPECT_TRUE(may_write(forbidden({"rdner", "um"}), file_words().encode("im Ordner mit der Nummer", 1)));
}

TEST(ForbiddenPhrases, InSmallLettersAreMeantInAnyCase) {
  const Ids capital = file_words().encode("Die Datei", 1), small = file_words().encode("die Datei", 1);
  EXPECT_FALSE(may_write(forbidden({"die"}), capital));
  EXPECT_FALSE(may_write(forbidden({"die"}), small));
  EXPECT_FALSE(may_write(forbidden({"Die"}), capital));
  EXPECT_TRUE(may_write(forbidden({"Die"}), small));
}

TEST(ForbiddenPhrases, OfBytesAreForbiddenToo) {
  const Vocabulary bytes = make_file_words(true);
  const std::vector<std::u32string> texts = piece_texts(bytes);
  const std::vector<std::string> phrases{"\u4E2D"};
  const ForbiddenPhrases found(phrases, bytes, texts, 1);
  EXPECT_FALSE(may_write(found, bytes.encode("im \u4E2D", 1)));
  EXPECT_TRUE(may_write(found, bytes.encode("im \u4E2E", 1)));
}

TEST(ForbiddenPhrases, ShowSomething) { EXPECT_THROW(forbidden({" "}), Error); }

TEST(ForbiddenPhrases, AreReadFromAFile) {
  const testing::TemporaryFolder folder;
  write_file(folder / "phrases.txt", "# words\n\nDatei\nder Nummer\n");
  EXPECT_THAT(load_phrases(folder / "phrases.txt"), ::testing::ElementsAre("Datei", "der Nummer"));
  write_file(folder / "phrases.txt", "# words\n");
  EXPECT_THROW(load_phrases(folder / "phrases.txt"), Error);
}

/// Writes "Die Datei", and likes "Die Nummer" a little less.
TableModel writing_model() {
  const Ids best = file_words().encode("Die Datei", 1), other = file_words().encode("Die Nummer", 1);
  const std::int32_t end = file_words().eos();
  return {file_words().size(), [=](const Ids&, const Ids& read) {
            std::map<std::int32_t, float> next;
            const std::size_t at = read.size() - 1;
            for (const auto& [ids, value] : {std::pair{other, -1.0f}, std::pair{best, -0.1f}}) {
              const bool agrees = std::equal(read.begin() + 1, read.end(), ids.begin(),
                                             ids.begin() + static_cast<std::ptrdiff_t>(std::min(at, ids.size())));
              if (agrees) next[at < ids.size() ? ids[at] : end] = value;
            }
            return next;
          }};
}

TEST(ForbiddenPhrases, AreInNoTranslation) {
  const std::vector<std::string> line{"Open the file"}, phrases{"datei"}, prefix{"Die Datei"};
  for (const double temperature : {0.0, 1.0}) {
    for (const std::int64_t beam_size : {1, 4}) {
      DecodeOptions options;
      options.beam_size = options.n_best = beam_size;
      options.temperature = temperature;
      const Translator translator(std::make_shared<TableModel>(writing_model()), make_file_words(false), options);
      const auto banned = translator.forbid(phrases, "de");
      if (temperature == 0.0) {
        EXPECT_EQ(translator.translate(line, "en", "de")[0][0].text, "Die Datei");
      }
      const auto results = translator.translate(line, "en", "de", {}, "translation", {}, {.forbidden = banned.get()});
      for (const Translation& found : results[0]) {
        EXPECT_EQ(banned->count_in(found.text), 0u) << found.text;
        EXPECT_EQ(found.forbidden_phrases, 0u);
      }
      // What is asked for is written, and told.
      const TextDemands demands{.forbidden = banned.get(), .prefixes = prefix};
      const Translation forced = translator.translate(line, "en", "de", {}, "translation", {}, demands)[0][0];
      EXPECT_THAT(forced.text, ::testing::StartsWith("Die Datei"));
      EXPECT_EQ(forced.forbidden_phrases, banned->count_in(forced.text));
    }
  }
}

}  // namespace
}  // namespace polymoe
