#include "polymoe/surgery/extend.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/files.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/decode/translator.h"
#include "polymoe/interchange/export.h"
#include "polymoe/interchange/import.h"
#include "polymoe/surgery/source.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/vocabulary.h"
#include "polymoe/text/vocabulary_layout.h"
#include "support/device.h"
#include "support/temporary_folder.h"
#include "unit/data/test_data.h"
#include "unit/surgery/models.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using testing::error_text;
using ::testing::HasSubstr;

const fs::path kDumps = fs::path(POLYMOE_SOURCE_DIR) / "tests/data/interchange";

class Extend : public ::testing::Test {
 protected:
  fs::path imported(const std::string& name) const {
    if (!fs::exists(folder_ / name)) import_model({kDumps / name / "model", folder_ / name});
    return folder_ / name;
  }

  fs::path extended(const fs::path& model, const std::vector<NewLanguage>& languages, const std::string& pieces) const {
    ExtendOptions options{model, languages, {}, folder_ / (model.filename().string() + "-more")};
    if (!pieces.empty()) options.pieces = {fs::path(folder_.write("pieces", pieces))};
    extend(options);
    return options.output;
  }

  testing::TemporaryFolder folder_;
};

struct StoredModel {
  explicit StoredModel(const fs::path& path)
      : checkpoint(Checkpoint::open(path)), vocabulary(Vocabulary::load(path / "vocab.model")) {}

  std::vector<std::string> pieces() const {
    const std::string bytes = read_file(checkpoint.path() / "vocab.model");
    const auto layout = read_layout(bytes, "vocab.model");
    return layout ? layout->pieces : pieces_of(bytes);
  }

  at::Tensor row(const std::string& tensor, std::int64_t id) const { return checkpoint.read("model", tensor)[id]; }

  Checkpoint checkpoint;
  Vocabulary vocabulary;
};

void expect_old_rows(const StoredModel& old, const StoredModel& more, const std::string& tensor) {
  const std::vector<std::string> before = old.pieces(), after = more.pieces();
  const at::Tensor old_rows = old.checkpoint.read("model", tensor), rows = more.checkpoint.read("model", tensor);
  ASSERT_EQ(rows.size(0), static_cast<std::int64_t>(after.size()));
  for (std::size_t id = 0; id < before.size(); ++id) {
    const auto found = std::find(after.begin(), after.end(), before[id]) - after.begin();
    EXPECT_TRUE(at::equal(old_rows[static_cast<std::int64_t>(id)], rows[found])) << before[id];
  }
}

TEST_F(Extend, KeepsEveryRowAndBeginsNewOnesAsTheMeanOfOldOnes) {
  const StoredModel old(imported("nllb-moe"));
  const fs::path path =
      extended(imported("nllb-moe"), {{"ast_Latn", {"de"}}, {"gcf_Latn", {}}}, "\u2581koloba\n\u732b\n");
  const StoredModel more(path);
  expect_old_rows(old, more, "embedding");
  EXPECT_EQ(options_of(more.checkpoint).model.vocabulary, more.vocabulary.size());
  const auto tag_row = [](const StoredModel& model, const char* language) {
    return model.row("embedding", model.vocabulary.language_tag(language));
  };
  EXPECT_TRUE(at::equal(tag_row(more, "ast_Latn"), tag_row(old, "deu_Latn")));
  const at::Tensor mean = (tag_row(old, "eng_Latn") + tag_row(old, "deu_Latn") + tag_row(old, "fra_Latn")) / 3;
  EXPECT_LE((tag_row(more, "gcf_Latn") - mean).abs().max().item<float>(), 1e-6);
  const std::vector<std::int32_t> id = more.vocabulary.encode("koloba"), parts = old.vocabulary.encode("koloba");
  ASSERT_EQ(id.size(), 1u);
  at::Tensor sum = at::zeros_like(mean);
  for (const std::int32_t part : parts) sum += old.row("embedding", part);
  const at::Tensor piece_mean = sum / static_cast<double>(parts.size());
  EXPECT_LE((more.row("embedding", id[0]) - piece_mean).abs().max().item<float>(), 1e-6);
  // A character that nothing is known of begins as the mean of all.
  const std::int32_t unknown = more.vocabulary.encode("\u732b").back();
  const at::Tensor all = old.checkpoint.read("model", "embedding").mean(0);
  EXPECT_LE((more.row("embedding", unknown) - all).abs().max().item<float>(), 1e-6);
  for (const std::string& name : old.checkpoint.names("model")) {
    if (name == "embedding") continue;
    EXPECT_TRUE(at::equal(old.checkpoint.read("model", name), more.checkpoint.read("model", name))) << name;
  }
  EXPECT_EQ(more.checkpoint.meta().at("origin").at("languages").at("ast_Latn"), nlohmann::json({"de"}));
}

TEST_F(Extend, TranslatesWhatIsNotNewAsBefore) {
  const std::vector<std::string> lines{"kolo miren", "ba ko", "tusa lofe ba", "mi"};
  for (const std::string name : {"nllb-moe", "nllb-dense", "m2m100", "marian"}) {
    const fs::path model = imported(name);
    const StoredModel old(model);
    const std::string source = old.vocabulary.languages()[0], target = old.vocabulary.languages()[1];
    const bool has_tags = old.vocabulary.language_tag(target) >= 0;
    const std::vector<NewLanguage> languages =
        has_tags ? std::vector<NewLanguage>{{"ast", {}}} : std::vector<NewLanguage>{};
    const fs::path more = extended(model, languages, "\u2581zyx\nqq\n");
    expect_old_rows(old, StoredModel(more), "embedding");
    if (name == "marian") expect_old_rows(old, StoredModel(more), "logits_bias");
    std::vector<std::string> texts[2];
    for (const fs::path& path : {model, more}) {
      DecodeOptions decode;
      decode.beam_size = 1;
      Translator translator = Translator::load(path, {}, decode, "float32", test_device_name());
      for (const auto& translations : translator.translate(lines, source, target)) {
        texts[path == more].push_back(translations.at(0).text);
      }
    }
    EXPECT_EQ(texts[0], texts[1]) << name;
  }
}

TEST_F(Extend, ComesBackFromAnExportAsItWas) {
  for (const std::string name : {"nllb-dense", "m2m100", "marian"}) {
    const std::vector<NewLanguage> languages =
        name == "marian" ? std::vector<NewLanguage>{} : std::vector<NewLanguage>{{"ast", {}}};
    const fs::path more = extended(imported(name), languages, "\u2581zyx\nqq\n");
    export_model({more, folder_ / (name + "-out")});
    import_model({folder_ / (name + "-out"), folder_ / (name + "-again")});
    const StoredModel before(more), after(folder_ / (name + "-again"));
    EXPECT_EQ(without_layout(read_file(more / "vocab.model")),
              without_layout(read_file(folder_ / (name + "-again") / "vocab.model")));
    EXPECT_EQ(before.vocabulary.languages(), after.vocabulary.languages()) << name;
    for (const std::string& language : before.vocabulary.languages()) {
      EXPECT_EQ(before.vocabulary.language_tag(language), after.vocabulary.language_tag(language)) << language;
    }
    const std::string text = "kolo zyx baqq";
    EXPECT_EQ(before.vocabulary.encode(text, 1), after.vocabulary.encode(text, 1)) << name;
    EXPECT_TRUE(at::equal(before.checkpoint.read("model", "embedding"), after.checkpoint.read("model", "embedding")));
  }
}

TEST_F(Extend, WorksOnModelsWithTheProjectsOwnVocabulary) {
  RunOptions options = testing::surgery_options(0);
  options.model.vocabulary = Vocabulary::parse(testing::test_vocabulary_bytes(), "v").size();
  testing::write_model(folder_ / "model", options, 1, {.vocabulary = testing::test_vocabulary_bytes()});
  const StoredModel old(folder_ / "model"), more(extended(folder_ / "model", {{"ast", {"fr"}}}, "\u2581zyx\n"));
  expect_old_rows(old, more, "embedding");
  EXPECT_TRUE(at::equal(more.row("embedding", more.vocabulary.language_tag("ast")),
                        old.row("embedding", old.vocabulary.language_tag("fr"))));
}

TEST_F(Extend, RefusesModelsWhoseVocabularyIsNotTheirsAndLeavesNothing) {
  testing::write_model(folder_ / "other", testing::surgery_options(0), 1,
                       {.vocabulary = testing::test_vocabulary_bytes()});
  EXPECT_THAT(error_text([&] { extended(folder_ / "other", {{"ast", {}}}, ""); }), HasSubstr("but its vocabulary"));
  testing::write_model(folder_ / "broken", testing::surgery_options(0), 1);
  EXPECT_THAT(error_text([&] { extended(folder_ / "broken", {{"ast", {}}}, ""); }), HasSubstr("SentencePiece"));
  testing::write_model(folder_ / "none", testing::surgery_options(0), 1, {.vocabulary = ""});
  EXPECT_THAT(error_text([&] { extended(folder_ / "none", {{"ast", {}}}, ""); }), HasSubstr("no vocabulary to extend"));
  EXPECT_THAT(error_text([&] { extended(imported("marian"), {{"ast", {}}}, ""); }), HasSubstr("reads no tags"));
  EXPECT_THAT(error_text([&] { extended(imported("m2m100"), {}, "\n"); }), HasSubstr("holds no piece"));
  for (const std::string& left : testing::names_in(folder_.path())) EXPECT_FALSE(left.ends_with("-more")) << left;
}

}  // namespace
}  // namespace polymoe
