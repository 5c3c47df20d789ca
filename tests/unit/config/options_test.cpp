
#include <set>
#include <type_traits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/config/describe.h"
#include "polymoe/config/merge.h"
#include "polymoe/config/presets.h"
#include "polymoe/config/sections.h"
#include "polymoe/config/validate.h"
#include "temporary_file.h"

namespace polymoe {
namespace {

using ::testing::Contains;
using ::testing::StartsWith;

TEST(OptionTables, NameEveryKeyOnceInKebabCaseWithHelp) {
  RunOptions options;
  std::set<std::string> keys;
  std::set<const void*> targets;
  for (const Section& section : sections_of(options)) {
    EXPECT_FALSE(section.help.empty()) << section.name;
    for (const Field& field : section.fields) {
      const std::string key = section.name + "." + field.key;
      EXPECT_TRUE(keys.insert(key).second) << key;
      EXPECT_EQ(field.key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), std::string::npos) << key;
      EXPECT_FALSE(field.help.empty()) << key;
      EXPECT_EQ(field.help.find('\n'), std::string::npos) << key;
      if (std::holds_alternative<EnumTarget>(field.target)) continue;  // does not tell its place
      const auto place_of = [](const auto& target) -> const void* {
        if constexpr (std::is_pointer_v<std::remove_cvref_t<decltype(target)>>) return target;
        return nullptr;
      };
      const void* target = std::visit(place_of, field.target);
      EXPECT_TRUE(targets.insert(target).second) << key << " shares its place with another key";
    }
  }
}

TEST(OptionTables, DefaultsAreAllowedValues) {
  PlannerOptions options;
  std::vector<Section> sections = sections_of(options);
  for (const Section& section : sections_of(options)) {
    for (const Field& field : section.fields) {
      if (std::holds_alternative<std::vector<std::string>*>(field.target)) continue;
      if (std::holds_alternative<std::vector<std::int64_t>*>(field.target)) continue;  // likewise "[]" as YAML
      const auto* text = std::get_if<std::string*>(&field.target);
      const std::string value = text != nullptr ? **text : yaml_value(field);
      EXPECT_EQ(error_of([&] { set_option(sections, section.name + "." + field.key, value); }), "no error");
    }
  }
}

TEST(Presets, AreConsistentAndGrow) {
  std::int64_t last = 0;
  for (const std::string& name : preset_names()) {
    RunOptions options;
    apply_preset(options.model, name);
    EXPECT_EQ(error_of([&] { validate(options); }), "no error") << name;
    EXPECT_EQ(options.model.preset, name);
    const std::int64_t size = options.model.hidden * options.model.ffn * options.model.encoder_layers;
    EXPECT_GT(size, last) << name;
    last = size;
  }
}

// The sizes of arXiv 2109.10465, section on Z-code M3.
TEST(Presets, HoldThePapersModel) {
  ModelOptions model;
  apply_preset(model, "z-code-m3");
  EXPECT_EQ(model.encoder_layers, 24);
  EXPECT_EQ(model.decoder_layers, 12);
  EXPECT_EQ(model.hidden, 1024);
  EXPECT_EQ(model.ffn, 4096);
}

TEST(Presets, KeepWhatIsNoSize) {
  ModelOptions model;
  model.dropout = 0.33;
  model.moe.experts = 8;
  apply_preset(model, "tiny");
  EXPECT_EQ(model.dropout, 0.33);
  EXPECT_EQ(model.moe.experts, 8);
  EXPECT_EQ(error_of([&] { apply_preset(model, "huge"); }), "model.preset: no preset is named 'huge'");
}

TEST(Validate, AcceptsTheDefaults) { EXPECT_NO_THROW(validate(RunOptions())); }

/// One contradiction: how it comes about, and the beginning of its error.
struct Contradiction {
  std::vector<std::pair<const char*, const char*>> values;
  const char* error;
};

TEST(Validate, NamesTheKeyOfEveryContradiction) {
  const Contradiction cases[] = {
      {{{"model.heads", "7"}}, "model.heads: 7 heads do not divide model.hidden = 512"},
      {{{"model.hidden", "9"}, {"model.heads", "3"}}, "model.hidden: 9 is odd"},
      {{{"model.moe.experts", "1"}, {"model.moe.top-k", "2"}}, "model.moe.top-k: 2 experts for each token"},
      {{{"model.moe.experts", "4"}, {"model.moe.every", "7"}}, "model.moe.every: no layer"},
      {{{"model.moe.experts", "4"}, {"model.moe.side", "decoder"}, {"model.decoder-layers", "1"}},
       "model.moe.every: no layer"},
      {{{"model.moe.experts-per-layer", "2,4"}}, "model.moe.experts-per-layer: given, but model.moe.experts = 0"},
      {{{"model.moe.experts", "4"}, {"model.moe.experts-per-layer", "2,4"}},
       "model.moe.experts-per-layer: 2 numbers, but the model has 6 MoE layers"},
      {{{"model.moe.experts", "4"},
        {"model.moe.top-k", "2"},
        {"model.moe.side", "decoder"},
        {"model.moe.experts-per-layer", "2,1,3"}},
       "model.moe.top-k: 2 experts for each token, but decoder.layers.3 has 1"},
      {{{"model.moe.experts", "4"}, {"model.moe.router", "expert-choice"}},
       "model.moe.side: both, but with model.moe.router expert-choice"},
      {{{"model.moe.experts", "4"},
        {"model.moe.router", "expert-choice"},
        {"model.moe.side", "encoder"},
        {"model.moe.capacity", "dropless"}},
       "model.moe.capacity: dropless, but with model.moe.router expert-choice"},
      {{{"data.mask-ratio", "0.7"}, {"data.delete-ratio", "0.4"}}, "data.mask-ratio: 0.7 and data.delete-ratio"},
      {{{"data.max-length", "1025"}}, "data.max-length: 1025 tokens, but model.max-positions = 1024"},
      {{{"train.max-tokens", "100"}}, "data.max-length: 256 tokens, but a micro-batch holds train.max-tokens = 100"},
      {{{"train.valid-beam-size", "0"}}, "train.keep-best: chrf cannot be measured"},
      {{{"train.valid-freq", "0"}, {"train.early-stopping", "3"}}, "train.early-stopping: 3 validations"},
      {{{"optimizer.warmup-updates", "0"}}, "optimizer.warmup-updates: 0, but the inverse-sqrt schedule"},
      {{{"optimizer.min-learning-rate", "0.1"}}, "optimizer.min-learning-rate: 0.1 exceeds"},
      {{{"decode.n-best", "5"}}, "decode.n-best: 5 translations from a beam of decode.beam-size = 4"},
      {{{"decode.top-k", "40"}}, "decode.top-k: 40, but decode.temperature is 0, which is beam search"},
      {{{"decode.top-p", "0.9"}}, "decode.top-p: 0.9, but decode.temperature is 0, which is beam search"},
      {{{"decode.temperature", "1"}, {"decode.protect", "always"}}, "decode.protect: always, but samples"},
  };
  for (const Contradiction& contradiction : cases) {
    RunOptions options;
    std::vector<Section> sections = sections_of(options);
    for (const auto& [key, value] : contradiction.values) set_option(sections, key, value);
    EXPECT_THAT(error_of([&] { validate(options); }), StartsWith(contradiction.error));
  }
}

TEST(Validate, AcceptsWhatOnlyLooksContradictory) {
  RunOptions options;
  options.model.moe = {.experts = 2, .top_k = 2};
  options.train.valid_beam_size = 0;
  options.train.keep_best = ValidMetric::kLoss;
  options.optimizer.warmup_updates = 0;
  options.optimizer.schedule = Schedule::kConstant;
  options.data.mask_ratio = 0.5;
  options.data.delete_ratio = 0.5;
  options.decode.n_best = options.decode.beam_size;
  EXPECT_NO_THROW(validate(options));
}

TEST(Validate, TakesTheDenseModelWhateverTheMoeKeysSay) {
  RunOptions options;
  options.model.moe.top_k = 2;
  options.model.moe.every = 100;
  EXPECT_NO_THROW(validate(options));
}

}  // namespace
}  // namespace polymoe
