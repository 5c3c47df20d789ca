#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/polymoe.h"
#include "polymoe/text/vocabulary.h"
#include "polymoe/translator.h"
#include "support/temporary_folder.h"
#include "unit/surgery/models.h"

// Calls of the library with a model, which is made here: its weights are random, so it writes nonsense, always the
// same.
namespace polymoe {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path& model_path() {
  static const testing::TemporaryFolder folder;
  static const std::filesystem::path path = [] {
    std::vector<std::string> text;
    for (int i = 0; i < 200; ++i) {
      text.push_back("Open the file %s in the folder number " + std::to_string(i) + ".");
      text.push_back("Die Datei %s im Ordner mit der Nummer " + std::to_string(i) + " ist offen, {name}.");
    }
    VocabularyOptions vocabulary;
    vocabulary.size = 420;
    vocabulary.byte_fallback = true;
    const std::string bytes = train_vocabulary(vocabulary, {"en", "de"}, text);
    RunOptions options = testing::surgery_options(4);
    options.model.vocabulary = Vocabulary::parse(bytes, "test").size();
    testing::write_model(folder / "model", options, 3, {.vocabulary = bytes});
    return folder / "model";
  }();
  return path;
}

Translator load(const SearchOptions& search, std::int64_t threads = 2) {
  return Translator(model_path(), {.threads = threads, .search = search});
}

std::vector<std::string> some_lines(int count) {
  std::vector<std::string> lines;
  for (int i = 0; i < count; ++i) lines.push_back("Open the file number " + std::to_string(i * 7) + " in the folder.");
  return lines;
}

std::vector<std::string> texts_of(const std::vector<Translation>& translations) {
  std::vector<std::string> texts;
  for (const Translation& translation : translations) texts.push_back(translation.text());
  return texts;
}

std::string message_of(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing is wrong";
}

TEST(LibraryCalls, EightThreadsGetWhatOneGets) {
  const Glossary glossary = Glossary::parse("file\tDatei\nfolder\tOrdner\n");
  for (const Precision precision : {Precision::kFloat32, Precision::kInt8}) {
    const Translator translator(model_path(),
                                {.precision = precision, .threads = 8, .search = {.beam_size = 2, .protect = true}});
    const std::vector<std::string> lines = some_lines(8);
    const auto translate = [&](std::size_t i) {
      // One line, several, and all with phrases to hold: batches of all kinds.
      RequestOptions options;
      if (i % 3 == 2) options.glossary = glossary;
      const std::vector<std::string> own = {lines[i], lines[(i + 3) % 8] + " %s", lines[(i + 5) % 8]};
      return texts_of(translator.translate(std::span(own).first(1 + i % 3), "en", "de", options));
    };
    std::vector<std::vector<std::string>> expected, found(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) expected.push_back(translate(i));
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < lines.size(); ++i) threads.emplace_back([&, i] { found[i] = translate(i); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(found, expected);
  }
}

TEST(LibraryCalls, AsynchronousCallsOutliveTheirTranslator) {
  const std::vector<std::string> lines = some_lines(3);
  std::vector<std::future<std::vector<Translation>>> futures;
  std::vector<std::string> expected;
  {
    const Translator translator = load({.beam_size = 2});
    expected = texts_of(translator.translate(lines, "en", "de"));
    for (int i = 0; i < 4; ++i) futures.push_back(translator.translate_async(lines, "en", "de"));
  }
  for (auto& future : futures) EXPECT_EQ(texts_of(future.get()), expected);
  EXPECT_THROW(load({}).translate_async(lines, "en", "xx").get(), Error);
}

// What a call tells of each line while it goes on; checks that texts only grow.
std::vector<std::vector<std::string>> told_of(const Translator& translator, const std::vector<std::string>& lines,
                                              RequestOptions options, std::vector<Translation>& results) {
  std::vector<std::vector<std::string>> told(lines.size());
  std::vector<bool> complete(lines.size());
  options.on_partial = [&](const PartialTranslation& partial) {
    std::vector<std::string>& own = told.at(partial.line);
    const std::string before = own.empty() ? "" : own.back();
    EXPECT_EQ(before + std::string(partial.added), partial.text);
    EXPECT_FALSE(complete[partial.line]);
    complete[partial.line] = partial.complete;
    own.emplace_back(partial.text);
  };
  results = translator.translate(lines, "en", "de", options);
  EXPECT_EQ(complete, std::vector<bool>(lines.size(), true));
  for (std::size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(told[i].back(), results[i].text());
  return told;
}

TEST(LibraryCalls, TextComesTokenByTokenWithBeamSizeOne) {
  std::vector<std::string> lines = some_lines(5);
  lines.emplace_back(" ");
  std::vector<Translation> results;
  const auto told = told_of(load({.beam_size = 1}), lines, {}, results);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_GT(told[i].size(), 5U) << results[i].text();
  EXPECT_EQ(told[5], std::vector<std::string>{" "});
}

TEST(LibraryCalls, WithMoreHypothesesTheTextComesAsFarAsAllAgree) {
  std::vector<Translation> results;
  for (const std::int64_t n_best : {1, 3}) {
    for (const std::int64_t seed : {1, 2, 3}) {
      told_of(load({.beam_size = 4, .n_best = n_best, .temperature = 0.3, .seed = seed}), some_lines(6), {}, results);
    }
    told_of(load({.beam_size = 4, .n_best = n_best}), some_lines(6), {}, results);
  }
}

TEST(LibraryCalls, LinesInPartsComeOnePartAfterAnother) {
  const std::vector<std::string> lines = {"Open the file. Open the folder number 3. Go.", "Open it."};
  std::vector<Translation> results;
  const auto told = told_of(load({.beam_size = 1, .split = LineSplitting::kAlways}), lines, {}, results);
  EXPECT_GT(told[0].size(), 5U);
}

TEST(LibraryCalls, LinesWithTermsToHoldComeWhole) {
  std::vector<Translation> results;
  const auto told = told_of(load({.beam_size = 2, .protect = true}), {"Open the file.", "Open %s.", "Open it."},
                            {.glossary = Glossary::parse("file\tDatei\n")}, results);
  EXPECT_EQ(told[0].size(), 1U);
  EXPECT_EQ(told[1].size(), 1U);
  EXPECT_THAT(results[0].text(), HasSubstr("Datei"));
  EXPECT_EQ(results[0].hypotheses[0].unmet_terms, 0U);
  EXPECT_THAT(results[1].text(), HasSubstr("%s"));
  EXPECT_TRUE(results[1].hypotheses[0].keeps_placeholders);
}

TEST(LibraryCalls, WhatAListenerThrowsEndsTheCall) {
  const Translator translator = load({.beam_size = 1});
  RequestOptions options;
  options.on_partial = [](const PartialTranslation&) { throw std::runtime_error("enough"); };
  EXPECT_THROW(translator.translate(some_lines(6), "en", "de", options), std::runtime_error);
  EXPECT_EQ(translator.translate(some_lines(6), "en", "de").size(), 6U);
}

TEST(LibraryCalls, StopWithinAStep) {
  const Translator translator = load({.beam_size = 1}, 1);
  std::stop_source stop;
  RequestOptions options;
  options.stop = stop.get_token();
  std::size_t told = 0;
  options.on_partial = [&](const PartialTranslation&) {
    ++told;
    stop.request_stop();
  };
  EXPECT_THROW(translator.translate("Open the file.", "en", "de", options), Cancelled);
  EXPECT_EQ(told, 1U);
  EXPECT_THROW(translator.translate("Open the file.", "en", "de", options), Cancelled);
  EXPECT_THROW(translator.translate_async({"Open the file."}, "en", "de", options).get(), Cancelled);
  EXPECT_EQ(told, 1U);
  EXPECT_FALSE(translator.translate("Open the file.", "en", "de").text().empty());
}

TEST(LibraryCalls, SamplesDependOnTheirSeed) {
  SearchOptions search{.n_best = 2, .temperature = 1.0, .top_k = 50, .top_p = 0.9, .seed = 5};
  const auto first = load(search).translate("Open the file.", "en", "de");
  ASSERT_EQ(first.hypotheses.size(), 2U);
  EXPECT_NE(first.hypotheses[0].text, first.hypotheses[1].text);
  EXPECT_EQ(load(search).translate("Open the file.", "en", "de").text(), first.text());
  search.seed = 6;
  EXPECT_NE(load(search).translate("Open the file.", "en", "de").text(), first.text());
}

TEST(LibraryCalls, TranslationsBeginWithTheirPrefixes) {
  const Translator translator = load({});
  const auto found =
      translator.translate(some_lines(2), "en", "de", {.prefixes = {"Die Datei", ""}, .word_scores = true});
  EXPECT_TRUE(found[0].text().starts_with("Die Datei")) << found[0].text();
  EXPECT_FALSE(found[1].text().starts_with("Die Datei")) << found[1].text();
  EXPECT_GE(found[0].hypotheses[0].word_scores.size(), 2U);
  EXPECT_THAT(message_of([&] { translator.translate(some_lines(2), "en", "de", {.prefixes = {"Die"}}); }),
              HasSubstr("1 prefixes for 2 lines"));
}

TEST(LibraryCalls, ForbiddenPhrasesAreInNoTranslation) {
  const Translator translator = load({.beam_size = 2, .n_best = 2});
  const std::vector<std::string> lines = some_lines(3);
  for (const std::string& line : lines) {
    const std::string text = translator.translate(line, "en", "de").text();
    const std::string word = text.substr(0, text.find(' '));
    for (const Hypothesis& found : translator.translate(line, "en", "de", {.forbidden = {word}}).hypotheses) {
      EXPECT_FALSE((found.text + " ").starts_with(word + " ")) << found.text;
      EXPECT_EQ(found.forbidden_phrases, 0U) << found.text;
    }
  }
  EXPECT_THAT(message_of([&] { translator.translate(lines, "en", "de", {.forbidden = {" "}}); }),
              HasSubstr("shows nothing"));
}

TEST(LibraryCalls, AlignsWordsWhereItIsAskedTo) {
  const Translator translator = load({.beam_size = 2, .n_best = 2});
  const Translation found = translator.translate("Open the file.", "en", "de", {.alignments = true});
  for (const Hypothesis& hypothesis : found.hypotheses) {
    ASSERT_FALSE(hypothesis.alignment.empty());
    for (const auto& row : hypothesis.alignment) EXPECT_EQ(row.size(), 3U);
  }
  EXPECT_TRUE(translator.translate("Open the file.", "en", "de").hypotheses[0].alignment.empty());
}

TEST(LibraryCalls, ScoresAreThoseOfSearches) {
  const Translator translator = load({.beam_size = 3});
  const std::vector<std::string> lines = {"Open the file."};
  const auto scores = translator.score(lines, std::vector<std::string>{"Die Datei"}, "en", "de");
  ASSERT_EQ(scores.size(), 1U);
  EXPECT_LT(scores[0].log_probability, scores[0].score);
  EXPECT_EQ(scores[0].word_scores.size(), 3U);
  EXPECT_THAT(message_of([&] { translator.score(lines, {}, "en", "de"); }), HasSubstr("0 translations of 1 lines"));
}

TEST(LibraryCalls, RefuseTextThatIsNotUtf8) {
  const Translator translator = load({});
  const std::vector<std::string> lines = {"Open the file.", "Open \xFF"};
  EXPECT_THAT(message_of([&] { translator.translate(lines, "en", "de"); }), HasSubstr("line 2: not UTF-8 text"));
  EXPECT_THAT(message_of([&] { translator.translate("Open", "en", "de", {.prefixes = {std::string(1, '\0')}}); }),
              HasSubstr("prefix 1: a NUL byte"));
  EXPECT_THAT(message_of([&] {
                translator.translate("Open", "en", "de", {.forbidden = {"Datei", "\xFF"}});
              }),
              HasSubstr("forbidden phrase 2: not UTF-8 text"));
  EXPECT_THAT(message_of([&] { translator.score(lines, lines, "en", "de"); }), HasSubstr("line 2: not UTF-8 text"));
}

TEST(LibraryCalls, ScoringStopsWhereItIsAskedTo) {
  const Translator translator = load({});
  std::stop_source stop;
  stop.request_stop();
  const std::vector<std::string> lines = {"Open it.", "Open the file."};
  EXPECT_THROW(translator.score(lines, lines, "en", "de", "translation", stop.get_token()), Cancelled);
  EXPECT_EQ(translator.score(lines, lines, "en", "de").size(), 2U);
}

TEST(LibraryCalls, TellWhetherADirectionWasTrained) {
  const Translator translator = load({});  // of no run that is known
  EXPECT_TRUE(translator.is_trained("en", "de"));
  EXPECT_THAT(message_of([&] { translator.is_trained("en", "xx"); }), HasSubstr("no language 'xx'"));
  EXPECT_THAT(message_of([&] { translator.is_trained("en", "de", "xx"); }), HasSubstr("xx"));
}

TEST(LibraryCalls, AreInCWhatTheyAreInCpp) {
  polymoe_options* const options = polymoe_options_new();
  ASSERT_EQ(polymoe_options_set(options, "beam-size", "2"), 0);
  ASSERT_EQ(polymoe_options_set(options, "precision", "auto"), 0);
  polymoe_translator* const translator = polymoe_load(model_path().c_str(), options);
  ASSERT_NE(translator, nullptr) << polymoe_last_error();
  const std::vector<const char*> lines = {"Open the file.", "Open it."};
  polymoe_request request{};
  request.size = sizeof request;
  request.word_scores = request.alignments = 1;
  polymoe_results* const results = polymoe_translate(translator, lines.data(), 2, "en", "de", &request);
  ASSERT_NE(results, nullptr) << polymoe_last_error();

  const auto expected = load({.beam_size = 2})
                            .translate(std::vector<std::string>(lines.begin(), lines.end()), "en", "de",
                                       {.word_scores = true, .alignments = true});
  for (std::size_t line = 0; line < 2; ++line) {
    const Hypothesis& own = expected[line].hypotheses[0];
    std::size_t count = 0;
    EXPECT_EQ(polymoe_text(results, line, 0), own.text);
    EXPECT_EQ(polymoe_log_probability(results, line, 0), own.log_probability);
    const double* const scores = polymoe_word_scores(results, line, 0, &count);
    EXPECT_EQ(std::vector<double>(scores, scores + count), own.word_scores);
    for (std::size_t word = 0; word < own.alignment.size(); ++word) {
      const float* const row = polymoe_alignment(results, line, 0, word, &count);
      EXPECT_EQ(std::vector<float>(row, row + count), own.alignment[word]);
    }
    EXPECT_EQ(polymoe_alignment(results, line, 0, own.alignment.size(), nullptr), nullptr);
    EXPECT_EQ(polymoe_keeps_placeholders(results, line, 0), 1);
    EXPECT_EQ(polymoe_read_whole(results, line), 1);
  }
  EXPECT_EQ(polymoe_read_whole(results, 2), 0);
  EXPECT_EQ(polymoe_word_scores(results, 0, 1, nullptr), nullptr);

  const std::vector<const char*> texts = {"Die Datei", "Offen"};
  polymoe_results* const scored =
      polymoe_score_translations(translator, lines.data(), texts.data(), 2, "en", "de", nullptr);
  ASSERT_NE(scored, nullptr) << polymoe_last_error();
  const auto scores = load({.beam_size = 2})
                          .score(std::vector<std::string>(lines.begin(), lines.end()),
                                 std::vector<std::string>(texts.begin(), texts.end()), "en", "de");
  EXPECT_EQ(polymoe_text(scored, 1, 0), std::string("Offen"));
  EXPECT_EQ(polymoe_log_probability(scored, 1, 0), scores[1].log_probability);
  EXPECT_EQ(polymoe_score(scored, 1, 0), scores[1].score);

  EXPECT_EQ(polymoe_is_trained(translator, "en", "de", nullptr), 1);
  EXPECT_EQ(polymoe_is_trained(translator, "en", "xx", nullptr), -1);
  EXPECT_THAT(polymoe_last_error(), HasSubstr("'xx'"));
  const char* const bad = "\xFF";
  EXPECT_EQ(polymoe_translate(translator, &bad, 1, "en", "de", nullptr), nullptr);
  EXPECT_THAT(polymoe_last_error(), HasSubstr("line 1: not UTF-8 text"));
  polymoe_results_free(scored);
  polymoe_results_free(results);
  polymoe_translator_free(translator);
  polymoe_options_free(options);
}

TEST(LibraryCalls, AGlossaryIsNotForSamples) {
  const Glossary glossary = Glossary::parse("# terms\nfile\tDatei\n");
  EXPECT_EQ(glossary.size(), 1U);
  EXPECT_TRUE(Glossary().empty());
  const Translator translator = load({.temperature = 1.0});
  EXPECT_THAT(message_of([&] { translator.translate("file", "en", "de", {.glossary = glossary}); }),
              HasSubstr("temperature"));
  EXPECT_THAT(message_of([] { Glossary::parse("a\tb\nfile Datei\n", "terms"); }), HasSubstr("terms:2: no tab"));
}

}  // namespace
}  // namespace polymoe
