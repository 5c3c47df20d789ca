#include "polymoe/interchange/import.h"
#include "polymoe/base/json_text.h"
#include "polymoe/config/run_options.h"

#include <filesystem>
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/checkpoint/safetensors.h"
#include "polymoe/decode/translator.h"
#include "polymoe/interchange/export.h"
#include "polymoe/interchange/foreign_config.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/vocabulary.h"
#include "support/device.h"
#include "support/log_capture.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

const fs::path kDumps = fs::path(POLYMOE_SOURCE_DIR) / "tests/data/interchange";
const std::vector<std::string> kNames = {"m2m100", "marian", "nllb-dense", "nllb-moe"};

class ForeignImport : public ::testing::Test {
 protected:
  fs::path copy_of(const std::string& name) const {
    const fs::path copy = folder_ / name;
    fs::remove_all(copy);
    fs::copy(kDumps / name / "model", copy);
    return copy;
  }

  // What importing says after `change` did something to a model's folder; nothing must be left of the checkpoint.
  std::string error_after(const std::string& name, const std::function<void(const fs::path&)>& change) const {
    const fs::path model = copy_of(name);
    change(model);
    std::string said;
    try {
      import_model({model, folder_ / "made"});
    } catch (const Error& error) {
      said = error.what();
      for (const std::string& left : testing::names_in(folder_.path())) EXPECT_FALSE(left.starts_with("made")) << said;
    }
    fs::remove_all(folder_ / "made");
    return said;
  }

  static void edit(const fs::path& path, const std::function<void(json&)>& change) {
    json values = parse_json(read_file(path));
    change(values);
    write_file(path, dump_json(values));
  }

  std::string error_with_config(const std::string& name, const std::string& key, const json& value) const {
    return error_after(name,
                       [&](const fs::path& model) { edit(model / "config.json", [&](json& c) { c[key] = value; }); });
  }

  testing::TemporaryFolder folder_;
};

TEST_F(ForeignImport, WhatIsExportedIsWhatWasImported) {
  for (const std::string& name : kNames) {
    const fs::path model = kDumps / name / "model", made = folder_ / (name + "-made"), out = folder_ / (name + "-out");
    import_model({model, made});
    export_model({made, out});
    EXPECT_EQ(read_file(out / "model.safetensors"), read_file(model / "model.safetensors")) << name;
    for (const char* const file : {"sentencepiece.bpe.model", "source.spm", "target.spm"}) {
      if (!fs::exists(model / file)) continue;
      EXPECT_EQ(read_file(out / file), read_file(model / file)) << name << file;
    }
    if (fs::exists(model / "vocab.json")) {
      EXPECT_EQ(parse_json(read_file(out / "vocab.json")), parse_json(read_file(model / "vocab.json"))) << name;
    }
    const json before = parse_json(read_file(model / "config.json")),
               after = parse_json(read_file(out / "config.json"));
    for (const auto& [key, value] : after.items()) {
      if (key == "expert_capacity") continue;  // of training there
      if (!before.contains(key)) continue;
      EXPECT_EQ(value, before[key]) << name << " " << key;
    }
    EXPECT_EQ(after["architectures"], before["architectures"]);
    // Imported once more, it is the same checkpoint.
    import_model({out, folder_ / "again"});
    EXPECT_EQ(read_file(folder_ / "again/vocab.model"), read_file(made / "vocab.model")) << name;
    fs::remove_all(folder_ / "again");
  }
}

TEST_F(ForeignImport, KeepsThePolicyOfTheSecondExpert) {
  const std::pair<const char*, SecondExpert> policies[] = {{"sampling", SecondExpert::kSampled},
                                                           {"random", SecondExpert::kRandom}};
  for (const auto& [policy, expected] : policies) {
    const fs::path model = copy_of("nllb-moe"), made = folder_ / policy, out = folder_ / (std::string(policy) + "-out");
    edit(model / "config.json", [&, name = policy](json& config) { config["second_expert_policy"] = name; });
    import_model({model, made});
    EXPECT_EQ(options_of(Checkpoint::open(made)).model.moe.second_expert, expected);
    export_model({made, out});
    EXPECT_EQ(parse_json(read_file(out / "config.json"))["second_expert_policy"], policy);
  }
}

TEST_F(ForeignImport, ShardsAreOneModel) {
  import_model({kDumps / "nllb-moe/model", folder_ / "made"});
  export_model({folder_ / "made", folder_ / "shards", /*shard_bytes=*/2000});
  EXPECT_GT(testing::names_in(folder_ / "shards").size(), 8u);
  import_model({folder_ / "shards", folder_ / "again"});
  export_model({folder_ / "again", folder_ / "out"});
  EXPECT_EQ(read_file(folder_ / "out/model.safetensors"), read_file(kDumps / "nllb-moe/model/model.safetensors"));

  const fs::path index = folder_ / "shards/model.safetensors.index.json";
  const std::string first = parse_json(read_file(index))["weight_map"].begin()->get<std::string>();
  fs::remove(folder_ / "shards" / first);
  fs::remove_all(folder_ / "again");
  try {
    import_model({folder_ / "shards", folder_ / "again"});
    FAIL() << "a shard is missing";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(first + ": the shard is missing"));
  }
  EXPECT_FALSE(fs::exists(folder_ / "again"));
}

TEST_F(ForeignImport, KeepsTheSearchOfTheModel) {
  const fs::path model = copy_of("marian");
  write_file(model / "generation_config.json", R"({"num_beams": 6, "length_penalty": 0.5})");
  import_model({model, folder_ / "made"});
  const RunOptions options = options_of(Checkpoint::open(folder_ / "made"));
  EXPECT_EQ(options.decode.beam_size, 6);
  EXPECT_EQ(options.decode.length_penalty, 0.5);
  EXPECT_EQ(options.model.position_frequencies, PositionFrequencies::kPaper);
  EXPECT_EQ(options.model.norm, NormOrder::kPost);
  EXPECT_TRUE(options.model.logits_bias);
}

TEST_F(ForeignImport, TranslatesText) {
  for (const std::string& name : kNames) {
    import_model({kDumps / name / "model", folder_ / name});
    const Vocabulary vocabulary = Vocabulary::load(folder_ / name / "vocab.model");
    ASSERT_GE(vocabulary.languages().size(), 2u) << name;
    const std::vector<std::string> text{"kolo miren", "ba"};
    Translator translator = Translator::load(folder_ / name, {}, {}, "float32", test_device_name());
    const auto results = translator.translate(text, vocabulary.languages()[0], vocabulary.languages()[1]);
    ASSERT_EQ(results.size(), 2u) << name;
  }
}

TEST_F(ForeignImport, NamesTensorsThatAreMissingUnknownOrOfAnotherShape) {
  EXPECT_THAT(
      error_with_config("nllb-dense", "decoder_layers", 3),
      HasSubstr("lack tensors that the configuration asks for: 'model.decoder.layers.2.self_attn.q_proj.weight'"));
  EXPECT_THAT(error_with_config("nllb-dense", "decoder_layers", 1),
              HasSubstr("hold tensors that have no place in the model: 'model.decoder.layers.1."));
  EXPECT_THAT(error_with_config("nllb-dense", "encoder_ffn_dim", 13),
              HasSubstr("decoder_ffn_dim is 12, but encoder_ffn_dim is 13"));
  EXPECT_THAT(error_with_config("marian", "d_model", 16), HasSubstr("'model.shared.weight' has the shape"));
  EXPECT_THAT(error_with_config("nllb-moe", "num_experts", 4),
              HasSubstr("has the shape 3x8, the configuration asks for 4x8"));
}

TEST_F(ForeignImport, RefusesConfigurationsWithoutAFormHere) {
  EXPECT_THAT(
      error_with_config("marian", "architectures", {"BartForConditionalGeneration"}),
      HasSubstr("names 'BartForConditionalGeneration', which has no form here; known: M2M100ForConditionalGeneration"));
  EXPECT_THAT(error_with_config("marian", "architectures", json::array()), HasSubstr("does not name one class"));
  EXPECT_THAT(error_with_config("marian", "share_encoder_decoder_embeddings", false),
              HasSubstr("share_encoder_decoder_embeddings"));
  EXPECT_THAT(error_with_config("nllb-moe", "router_bias", true), HasSubstr("router_bias is true"));
  EXPECT_THAT(error_with_config("nllb-moe", "second_expert_policy", "dice"),
              HasSubstr("second_expert_policy is 'dice', which has no form here"));
  EXPECT_THAT(error_with_config("nllb-dense", "activation_function", "gelu_new"), HasSubstr("'gelu_new'"));
  EXPECT_THAT(error_with_config("nllb-dense", "vocab_size", -5), HasSubstr("vocab_size is -5"));
  EXPECT_THAT(error_with_config("nllb-dense", "d_model", 1e300), HasSubstr("d_model is"));
  EXPECT_THAT(error_with_config("nllb-dense", "dropout", "a lot"), HasSubstr("dropout is"));
  EXPECT_THAT(error_with_config("nllb-dense", "pad_token_id", nullptr), HasSubstr("pad_token_id is missing"));
  EXPECT_THAT(error_with_config("nllb-dense", "encoder_attention_heads", 3), HasSubstr("decoder_attention_heads"));
  EXPECT_THAT(error_after("marian", [](const fs::path& m) { write_file(m / "config.json", "[1"); }),
              HasSubstr("not a JSON object"));
  EXPECT_THAT(error_after("marian", [](const fs::path& m) { fs::remove(m / "config.json"); }),
              HasSubstr("config.json"));
}

TEST_F(ForeignImport, RefusesTheVocabularyOfAnotherModel) {
  EXPECT_THAT(
      error_after("nllb-dense",
                  [](const fs::path& m) { fs::copy_file(kDumps / "marian/model/vocab.json", m / "vocab.json"); }),
      HasSubstr("is not this model's"));
  EXPECT_THAT(error_with_config("marian", "eos_token_id", 3), HasSubstr("what the decoder starts from have the ids"));
  EXPECT_THAT(
      error_after("marian", [](const fs::path& m) { edit(m / "vocab.json", [](json& v) { v["one more"] = 5000; }); }),
      HasSubstr("'one more' has the id 5000, but the model has"));
  EXPECT_THAT(
      error_after("marian", [](const fs::path& m) { edit(m / "vocab.json", [](json& v) { v["one more"] = 0; }); }),
      HasSubstr("have the id 0"));
  EXPECT_THAT(
      error_after("nllb-dense", [](const fs::path& m) { write_file(m / "sentencepiece.bpe.model", "nothing"); }),
      HasSubstr("sentencepiece.bpe.model"));
  EXPECT_THAT(error_after("nllb-dense", [](const fs::path& m) { fs::remove(m / "tokenizer_config.json"); }),
              HasSubstr("no file of the tokenizer names its languages"));
  EXPECT_THAT(error_after("marian", [](const fs::path& m) { fs::remove(m / "tokenizer_config.json"); }),
              HasSubstr("names no source_lang"));
}

TEST_F(ForeignImport, RefusesWeightsThatAreDamaged) {
  EXPECT_THAT(error_after("marian", [](const fs::path& m) { fs::resize_file(m / "model.safetensors", 3000); }),
              HasSubstr("model.safetensors: not a whole safetensors file"));
  EXPECT_THAT(error_after("marian", [](const fs::path& m) { fs::remove(m / "model.safetensors"); }),
              HasSubstr("holds no model.safetensors"));
  EXPECT_THAT(error_after("marian",
                          [](const fs::path& m) {
                            fs::remove(m / "model.safetensors");
                            write_file(m / "pytorch_model.bin", "cposix\nsystem\n.");
                          }),
              HasSubstr("pytorch_model.bin"));
  EXPECT_THAT(error_after("marian",
                          [](const fs::path& m) {
                            write_file(m / "model.safetensors.index.json", R"({"weight_map": {"a": "../../x"}})");
                          }),
              HasSubstr("is in no file beside the index"));
  EXPECT_THAT(error_after("marian",
                          [](const fs::path& m) {
                            write_file(m / "model.safetensors.index.json",
                                       R"({"weight_map": {"a": "model.safetensors"}})");
                          }),
              HasSubstr("tensor 'a' is not in it, but by the index"));
}

TEST_F(ForeignImport, WithoutATokenizerThereIsARemark) {
  const fs::path model = copy_of("nllb-dense");
  fs::remove(model / "sentencepiece.bpe.model");
  import_model({model, folder_ / "made"});
  EXPECT_FALSE(fs::exists(folder_ / "made/vocab.model"));
  export_model({folder_ / "made", folder_ / "out"});
  const json config = parse_json(read_file(folder_ / "out/config.json"));
  EXPECT_EQ(config["pad_token_id"], 1);
  EXPECT_EQ(config["decoder_start_token_id"], 2);
}

TEST(ForeignClass, OfOptionsThatNoClassHasTheFirstIsNamed) {
  const auto said = [](auto change) -> std::string {
    ModelOptions model;
    model.vocabulary = 20;
    model.position_offset = 2;
    change(model);
    try {
      return std::string(name_of(class_for(model)));
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(said([](ModelOptions&) {}), "M2M100ForConditionalGeneration");
  EXPECT_THAT(said([](auto& m) { m.position_offset = 0; }), HasSubstr("model.position-offset is 0"));
  EXPECT_THAT(said([](auto& m) { m.logits_bias = true; }), HasSubstr("model.logits-bias"));
  EXPECT_THAT(said([](auto& m) { m.norm = NormOrder::kPost; }), HasSubstr("model.position-frequencies"));
  EXPECT_THAT(said([](auto& m) { m.moe.experts = 4; }), HasSubstr("model.moe.top-k is 1"));
  EXPECT_EQ(said([](auto& m) { m.moe.experts = 4, m.moe.top_k = 2; }), "NllbMoeForConditionalGeneration");
  EXPECT_THAT(said([](auto& m) { m.moe.experts = 4, m.moe.top_k = 2, m.moe.shared_experts = 1; }),
              HasSubstr("shared-experts"));
}

}  // namespace
}  // namespace polymoe
