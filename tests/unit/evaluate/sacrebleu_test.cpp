// BLEU, chrF and TER against sacreBLEU's scores: own sentences (always), real text and published cases (where the data
// is).
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/utf8.h"
#include "polymoe/evaluate/pieces.h"
#include "polymoe/evaluate/segments.h"
#include "polymoe/evaluate/tokenize.h"
#include "polymoe/metrics.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

using nlohmann::json;
using Streams = std::vector<std::vector<std::string>>;

// Both sides are doubles from the same integer counts by the same formula; only the rounding of exp and log differs.
constexpr double kSacrebleuTolerance = 1e-9;

const std::string kTables = POLYMOE_SOURCE_DIR "/tests/data/evaluate/";
const std::string kData = POLYMOE_SOURCE_DIR "/../shared/data/";

json read_json(const std::string& path) { return parse_json(read_file(path)); }

BleuOptions with_tokenizer(Tokenizer tokenizer) { return {.tokenizer = tokenizer}; }

/// sacreBLEU got the model as flores200's.
BleuOptions with_pieces() {
  CustomTokenizer tokenizer = piece_tokenizer(kTables + "pieces.model");
  tokenizer.name = "flores200";
  return {.custom_tokenizer = std::move(tokenizer)};
}

/// The options behind the names of scripts/metric-table.
const std::map<std::string, BleuOptions>& bleu_options() {
  static const std::map<std::string, BleuOptions> all = {
      {"bleu_spm", with_pieces()},
      {"bleu_13a", with_tokenizer(Tokenizer::k13a)},
      {"bleu_intl", with_tokenizer(Tokenizer::kIntl)},
      {"bleu_zh", with_tokenizer(Tokenizer::kZh)},
      {"bleu_char", with_tokenizer(Tokenizer::kChar)},
      {"bleu_none", with_tokenizer(Tokenizer::kNone)},
      {"bleu_13a_lowercase", {.lowercase = true}},
      {"bleu_13a_smooth_none", {.smoothing = BleuSmoothing::kNone}},
      {"bleu_13a_floor", {.smoothing = BleuSmoothing::kFloor}},
      {"bleu_13a_add_k", {.smoothing = BleuSmoothing::kAddK}},
  };
  return all;
}
const std::map<std::string, ChrfOptions> kChrf = {
    {"chrf", {}},
    {"chrf++", {.word_order = 2}},
    {"chrf++_lowercase", {.word_order = 2, .lowercase = true}},
};

const std::map<std::string, TerOptions> kTer = {
    {"ter", {}},
    {"ter_case", {.case_sensitive = true}},
    {"ter_normalized", {.normalized = true}},
    {"ter_no_punct", {.no_punctuation = true}},
    {"ter_normalized_no_punct", {.normalized = true, .no_punctuation = true}},
    {"ter_asian", {.normalized = true, .asian_support = true}},
    {"ter_all", {.case_sensitive = true, .normalized = true, .no_punctuation = true, .asian_support = true}},
};

std::vector<std::string> texts_of(const json& sentence) {
  std::vector<std::string> texts = {sentence["hypothesis"]};
  for (const json& reference : sentence["references"]) texts.push_back(reference);
  return texts;
}

/// By a name of `tokens` in the table.
std::string joined_tokens(const std::string& text, const std::string& tokenizer) {
  const std::u32string points = decode_utf8(text);
  const std::u32string tokens =
      tokenizer == "spm"
          ? decode_utf8(bleu_options().at("bleu_spm").custom_tokenizer->separate(encode_utf8(strip_end(points))))
          : tokenize(strip_end(points), parse_tokenizer(tokenizer));
  std::u32string joined;
  for (const auto word : split_words(tokens)) joined.append(joined.empty() ? U"" : U" ").append(word);
  return encode_utf8(joined);
}

TEST(SacreBleuSentences, TokensAreTheSame) {
  const json sentences = read_json(kTables + "sentences.json");
  const json expected = read_json(kTables + "sentence-scores.json")["sentences"];
  ASSERT_EQ(sentences.size(), expected.size());
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    const std::vector<std::string> texts = texts_of(sentences[i]);
    for (const auto& [name, tokens] : expected[i]["tokens"].items()) {
      for (std::size_t t = 0; t < texts.size(); ++t) {
        EXPECT_EQ(joined_tokens(texts[t], name), tokens[t].get<std::string>()) << name;
      }
    }
  }
}

TEST(SacreBleuSentences, LowerCaseIsTheSame) {
  const json sentences = read_json(kTables + "sentences.json");
  const json expected = read_json(kTables + "sentence-scores.json")["sentences"];
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    const std::vector<std::string> texts = texts_of(sentences[i]);
    for (std::size_t t = 0; t < texts.size(); ++t) {
      EXPECT_EQ(encode_utf8(to_lower(decode_utf8(texts[t]))), expected[i]["lower"][t].get<std::string>());
    }
  }
}

TEST(SacreBleuSentences, SentenceScoresAreTheSame) {
  const json sentences = read_json(kTables + "sentences.json");
  const json expected = read_json(kTables + "sentence-scores.json")["sentences"];
  std::size_t compared = 0;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    const std::string hypothesis = sentences[i]["hypothesis"];
    const std::vector<std::string> references = sentences[i]["references"];
    const json& scores = expected[i]["scores"];
    for (auto [name, options] : bleu_options()) {
      options.effective_order = true;
      EXPECT_NEAR(sentence_bleu(hypothesis, references, options).score, scores[name], kSacrebleuTolerance)
          << name << ": " << hypothesis;
      ++compared;
    }
    for (const auto& [name, options] : kChrf) {
      EXPECT_NEAR(sentence_chrf(hypothesis, references, options).score, scores[name], kSacrebleuTolerance)
          << name << ": " << hypothesis;
      ++compared;
    }
    for (const auto& [name, options] : kTer) {
      EXPECT_NEAR(sentence_ter(hypothesis, references, options).score, scores[name], kSacrebleuTolerance)
          << name << ": " << hypothesis;
      ++compared;
    }
  }
  EXPECT_EQ(compared, expected.size() * expected[0]["scores"].size());
}

TEST(SacreBleuSentences, CorpusResultsAreTheSameInEveryField) {
  const json expected = read_json(kTables + "sentence-scores.json")["corpus"];
  std::vector<std::string> hypotheses;
  Streams streams(2);
  for (const json& sentence : read_json(kTables + "sentences.json")) {
    hypotheses.push_back(sentence["hypothesis"]);
    for (std::size_t r = 0; r < 2; ++r) streams[r].push_back(sentence["references"][r]);
  }
  for (const auto& [name, options] : bleu_options()) {
    SCOPED_TRACE(name);
    const BleuScore bleu = corpus_bleu(hypotheses, streams, options);
    const json& wanted = expected[name];
    EXPECT_NEAR(bleu.score, wanted["score"], kSacrebleuTolerance);
    EXPECT_EQ(bleu.signature, wanted["signature"].get<std::string>());
    if (options.smoothing == BleuSmoothing::kAddK) continue;
    EXPECT_EQ(bleu.counts, wanted["counts"].get<std::vector<std::uint64_t>>());
    EXPECT_EQ(bleu.totals, wanted["totals"].get<std::vector<std::uint64_t>>());
    EXPECT_EQ(bleu.hypothesis_length, wanted["hypothesis_length"].get<std::uint64_t>());
    EXPECT_EQ(bleu.reference_length, wanted["reference_length"].get<std::uint64_t>());
    EXPECT_NEAR(bleu.brevity_penalty, wanted["brevity_penalty"], kSacrebleuTolerance);
    for (std::size_t n = 0; n < 4; ++n) EXPECT_NEAR(bleu.precisions[n], wanted["precisions"][n], kSacrebleuTolerance);
  }
  for (const auto& [name, options] : kChrf) {
    const ChrfScore chrf = corpus_chrf(hypotheses, streams, options);
    EXPECT_NEAR(chrf.score, expected[name]["score"], kSacrebleuTolerance) << name;
    EXPECT_EQ(chrf.signature, expected[name]["signature"].get<std::string>());
  }
  for (const auto& [name, options] : kTer) {
    const TerScore ter = corpus_ter(hypotheses, streams, options);
    EXPECT_NEAR(ter.score, expected[name]["score"], kSacrebleuTolerance) << name;
    EXPECT_EQ(ter.signature, expected[name]["signature"].get<std::string>());
    EXPECT_EQ(ter.edits, expected[name]["edits"].get<std::uint64_t>());
    EXPECT_EQ(ter.reference_length, expected[name]["reference_length"].get<double>());
  }
}

TEST(SacreBleuShifts, EditsAreTheSameOnBothSidesOfEveryLimit) {
  const json segments = read_json(kTables + "shifts.json")["segments"];
  ASSERT_GE(segments.size(), 150u);
  for (const json& segment : segments) {
    const std::vector<std::string> references = {segment["reference"]};
    EXPECT_EQ(sentence_ter(segment["hypothesis"].get<std::string>(), references).edits,
              segment["edits"].get<std::uint64_t>())
        << dump_json(segment);
  }
}

/// Takes out every drop-th code point.
std::string thin_out(const std::string& line, std::size_t drop) {
  std::u32string kept;
  const std::u32string points = decode_utf8(line);
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i % drop != drop - 1) kept += points[i];
  }
  return encode_utf8(kept);
}

/// The hypotheses and reference streams of one recipe of table.json.
Streams read_set(const json& recipe, std::map<std::string, std::vector<std::string>>& files) {
  std::vector<std::string> paths = {recipe["hypothesis"]};
  for (const json& path : recipe["references"]) paths.push_back(path);
  for (const std::string& path : paths) {
    if (!files.contains(path)) files[path] = read_segments(kData + path);
  }
  const std::size_t segments = recipe["segments"], drop = recipe["drop"];
  Streams streams(paths.size());
  for (std::size_t i = recipe["first"]; i < files[paths[0]].size(); i += recipe["step"].get<std::size_t>()) {
    const auto is_missing = [&](const std::string& path) { return files[path][i].empty(); };
    if (std::any_of(paths.begin(), paths.end(), is_missing)) continue;
    for (std::size_t f = 0; f < paths.size(); ++f) streams[f].push_back(files[paths[f]][i]);
    if (streams[0].size() == segments) break;
  }
  if (drop > 0)
    std::transform(streams[0].begin(), streams[0].end(), streams[0].begin(),
                   [&](const std::string& line) { return thin_out(line, drop); });
  return streams;
}

TEST(SacreBleuTable, RealTextInManyLanguagesScoresTheSame) {
  if (!std::filesystem::exists(kData + "bible")) GTEST_SKIP() << "no text to score: " << kData << " is absent";
  std::map<std::string, std::vector<std::string>> files;
  const json sets = read_json(kTables + "table.json")["sets"];
  ASSERT_GE(sets.size(), 100u);
  for (const json& recipe : sets) {
    SCOPED_TRACE(recipe["hypothesis"].get<std::string>() + " against " + dump_json(recipe["references"]));
    Streams streams = read_set(recipe, files);
    const std::vector<std::string> hypotheses = std::move(streams.front());
    streams.erase(streams.begin());
    ASSERT_EQ(hypotheses.size(), recipe["segments"].get<std::size_t>());
    for (const auto& [name, score] : recipe["scores"].items()) {
      const double found = bleu_options().contains(name)
                               ? corpus_bleu(hypotheses, streams, bleu_options().at(name)).score
                           : kChrf.contains(name) ? corpus_chrf(hypotheses, streams, kChrf.at(name)).score
                                                  : corpus_ter(hypotheses, streams, kTer.at(name)).score;
      EXPECT_NEAR(found, score, kSacrebleuTolerance) << name;
    }
  }
}

BleuOptions bleu_options(const json& parameters) {
  const std::map<std::string, BleuSmoothing> smoothings = {{"exp", BleuSmoothing::kExponential},
                                                           {"floor", BleuSmoothing::kFloor},
                                                           {"add-k", BleuSmoothing::kAddK},
                                                           {"none", BleuSmoothing::kNone}};
  BleuOptions options;
  options.tokenizer = parse_tokenizer(parameters.value("tokenize", "13a"));
  options.lowercase = parameters.value("lowercase", false);
  options.smoothing = smoothings.at(parameters.value("smooth_method", "exp"));
  if (parameters.contains("smooth_value") && !parameters["smooth_value"].is_null()) {
    options.smoothing_value = parameters["smooth_value"];
  }
  options.max_order = parameters.value("max_ngram_order", 4);
  options.effective_order = parameters.value("effective_order", false);
  return options;
}

ChrfOptions chrf_options(const json& parameters) {
  return {.char_order = parameters.value("char_order", 6u),
          .word_order = parameters.value("word_order", 0u),
          .beta = parameters.value("beta", 2u),
          .whitespace = !parameters.value("remove_whitespace", true),
          .eps_smoothing = parameters.value("eps_smoothing", false)};
}

TEST(SacreBleuCases, PublishedCasesScoreTheSame) {
  const std::string path = kData + "metrics/cases.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  int compared = 0;
  for (const json& example : read_json(path)) {
    const std::string metric = example["metric"];
    const std::vector<std::string> hypotheses = example["hyps"];
    const Streams streams = example["refs"];
    const json& parameters = example["params"];
    const double score = metric == "ter"            ? corpus_ter(hypotheses, streams).score
                         : metric.ends_with("bleu") ? corpus_bleu(hypotheses, streams, bleu_options(parameters)).score
                                                    : corpus_chrf(hypotheses, streams, chrf_options(parameters)).score;
    EXPECT_NEAR(score, example["score"], example["eps"])
        << dump_json(example);  // as precise as the case states its score
    ++compared;
  }
  EXPECT_GE(compared, 40);
}

TEST(SacreBleuCases, PublishedSetsScoreTheSame) {
  const std::string folder = kData + "metrics/";
  if (!std::filesystem::exists(folder + "expected.json")) GTEST_SKIP() << folder << " is absent";
  const double rounding = 5.1e-7, sentence_rounding = 5.1e-5;  // the file has 6 decimals, 4 for sentences
  const json sets = read_json(folder + "expected.json")["sets"];
  ASSERT_GE(sets.size(), 7u);
  for (const auto& [language, expected] : sets.items()) {
    SCOPED_TRACE(language);
    const std::vector<std::string> hypotheses = read_segments(folder + language + ".hyp.txt.gz");
    const Streams streams = {read_segments(folder + language + ".ref.txt.gz")};
    for (const std::string name : {"bleu_13a", "bleu_none", "bleu_char", "bleu_zh"}) {
      if (!expected.contains(name)) continue;
      const BleuScore bleu = corpus_bleu(hypotheses, streams, bleu_options().at(name));
      EXPECT_NEAR(bleu.score, expected[name]["score"], rounding) << name;
      EXPECT_EQ(bleu.counts, expected[name]["counts"].get<std::vector<std::uint64_t>>());
      EXPECT_EQ(bleu.totals, expected[name]["totals"].get<std::vector<std::uint64_t>>());
    }
    EXPECT_NEAR(corpus_bleu(hypotheses, streams, {.lowercase = true}).score, expected["bleu_13a_lc"], rounding);
    EXPECT_NEAR(corpus_chrf(hypotheses, streams).score, expected["chrf2"], rounding);
    EXPECT_NEAR(corpus_chrf(hypotheses, streams, {.word_order = 2}).score, expected["chrf++"], rounding);
    for (std::size_t i = 0; i < 20; ++i) {
      const std::vector<std::string> references = {streams[0][i]};
      EXPECT_NEAR(sentence_bleu(hypotheses[i], references, {.effective_order = true}).score,
                  expected["sentence_bleu_first20"][i], sentence_rounding);
      EXPECT_NEAR(sentence_chrf(hypotheses[i], references).score, expected["sentence_chrf2_first20"][i],
                  sentence_rounding);
    }
  }
}

}  // namespace
}  // namespace polymoe
