#include "polymoe/interchange/foreign_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/config/decode_options.h"
#include "polymoe/config/validate.h"

namespace polymoe {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct ClassName {
  ForeignClass kind;
  std::string_view name;
  std::string_view model_type;
};
constexpr std::array<ClassName, 3> kClasses{{{ForeignClass::kM2m100, "M2M100ForConditionalGeneration", "m2m_100"},
                                             {ForeignClass::kMarian, "MarianMTModel", "marian"},
                                             {ForeignClass::kNllbMoe, "NllbMoeForConditionalGeneration", "nllb-moe"}}};

// Names of activations there, and the one of ours that is the same; the first of each is what is written.
constexpr std::array<std::pair<std::string_view, Activation>, 4> kActivations{{{"relu", Activation::kRelu},
                                                                               {"gelu", Activation::kGelu},
                                                                               {"swish", Activation::kSwish},
                                                                               {"silu", Activation::kSwish}}};

// Of the second expert there, in the order of SecondExpert.
constexpr std::array<std::string_view, 3> kPolicies{"all", "sampling", "random"};

// Of training there that has no counterpart here; of no effect where they have these values.
const std::vector<std::pair<std::string, json>>& training_values() {
  static const std::vector<std::pair<std::string, json>> values{{"encoder_layerdrop", 0},
                                                                {"decoder_layerdrop", 0},
                                                                {"router_ignore_padding_tokens", false},
                                                                {"batch_prioritized_routing", false},
                                                                {"normalize_router_prob_before_dropping", false}};
  return values;
}

// The values of a config.json, each taken with a check.
class ConfigReader {
 public:
  ConfigReader(const json& values, const std::filesystem::path& path) : values_(values), path_(path) {}

  [[noreturn]] void bad(const std::string& key, const std::string& what, const std::string& remedy = {}) const {
    throw Error(fmt::format("{} {}", key, what), {path_, 0}, remedy);
  }

  bool has(const char* key) const { return values_.contains(key) && !values_[key].is_null(); }

  std::int64_t integer(const char* key, std::int64_t low, std::int64_t high = std::int64_t{1} << 24) const {
    if (!has(key)) bad(key, "is missing");
    const json& value = values_[key];
    if (!value.is_number_integer() || value < low || value > high) {
      bad(key, fmt::format("is {}, no whole number from {} to {}", one_line(dump_json(value)), low, high));
    }
    return value.get<std::int64_t>();
  }
  std::int64_t id(const char* key, std::int64_t vocabulary) const {
    return has(key) ? integer(key, 0, vocabulary - 1) : -1;
  }
  double share(const char* key, double standard) const {
    if (!has(key)) return standard;
    const json& value = values_[key];
    if (!value.is_number() || value < 0.0 || value > 0.999) {
      bad(key, fmt::format("is {}, no share from 0 to 0.999", one_line(dump_json(value))));
    }
    return value.get<double>();
  }
  bool flag(const char* key, bool standard) const {
    if (!has(key)) return standard;
    if (!values_[key].is_boolean()) bad(key, "is neither true nor false");
    return values_[key].get<bool>();
  }
  std::string text(const char* key, const std::string& standard) const {
    if (!has(key)) return standard;
    if (!values_[key].is_string()) bad(key, "is no text");
    return values_[key].get<std::string>();
  }

  // A value that both sides of a model have, under two keys.
  std::int64_t same(const char* encoder, const char* decoder) const {
    const std::int64_t value = integer(encoder, 1), other = integer(decoder, 1);
    if (value != other)
      bad(decoder, fmt::format("is {}, but {} is {}: both sides must be equal", other, encoder, value));
    return value;
  }
  void refuse(const char* key, bool value, bool standard) const {
    if (flag(key, standard) == value) bad(key, fmt::format("is {}, which has no form here", value));
  }

 private:
  const json& values_;
  const std::filesystem::path& path_;
};

ForeignClass read_class(const json& values, const ConfigReader& reader) {
  std::vector<std::string_view> known;
  for (const ClassName& entry : kClasses) known.push_back(entry.name);
  const std::string remedy = fmt::format("known: {}", fmt::join(known, ", "));
  const auto classes = values.find("architectures");
  if (classes == values.end() || !classes->is_array() || classes->size() != 1 || !(*classes)[0].is_string()) {
    reader.bad("architectures", "does not name one class", remedy);
  }
  const std::string name = (*classes)[0].get<std::string>();
  for (const ClassName& entry : kClasses) {
    if (entry.name == name) return entry.kind;
  }
  reader.bad("architectures", fmt::format("names {}, which has no form here", in_quotes(name)), remedy);
}

void read_experts(const ConfigReader& reader, MoeOptions& moe) {
  constexpr std::int64_t kMostLayers = 4096;
  const std::int64_t encoder = reader.integer("encoder_sparse_step", 0, kMostLayers);
  const std::int64_t decoder = reader.integer("decoder_sparse_step", 0, kMostLayers);
  if (encoder != decoder && encoder != 0 && decoder != 0) {
    reader.bad(
        "decoder_sparse_step",
        fmt::format("is {}, but encoder_sparse_step is {}: both sides must be equal, or one 0", decoder, encoder));
  }
  moe.experts = encoder + decoder > 0 ? reader.integer("num_experts", 2, 65536) : 0;
  if (moe.experts == 0) return;
  moe.every = std::max(encoder, decoder);
  moe.side = decoder == 0 ? MoeSide::kEncoder : encoder == 0 ? MoeSide::kDecoder : MoeSide::kBoth;
  moe.top_k = 2;
  reader.refuse("router_bias", true, false);
  const std::string policy = reader.text("second_expert_policy", "all");
  const auto found = std::find(std::begin(kPolicies), std::end(kPolicies), policy);
  if (found == std::end(kPolicies)) {
    reader.bad("second_expert_policy", fmt::format("is {}, which has no form here", in_quotes(policy)));
  }
  moe.second_expert = static_cast<SecondExpert>(found - std::begin(kPolicies));
  moe.output_masking = reader.share("moe_token_dropout", 0.2);
  moe.output_scale = 1.0 - moe.output_masking;
  moe.balance_loss = reader.share("router_aux_loss_coef", 0.001);
  moe.router_z_loss = reader.share("router_z_loss_coef", 0.001);
}

void tell_left_out(const json& values, const std::filesystem::path& path) {
  for (const auto& [key, standard] : training_values()) {
    const auto found = values.find(key);
    if (found == values.end() || *found == standard) continue;
    remark(fmt::format("{} = {} is left out: training has no such option here", key, one_line(found->dump())),
           {path, 0});
  }
}

[[noreturn]] void no_class(const std::string& key, const std::string& value, std::string_view wanted) {
  fail("model.{} is {}, and no class of transformers has that{}{}", key, value,
       wanted.empty() ? "" : "; wanted: ", wanted);
}

std::string_view foreign_activation(Activation ours) {
  for (const auto& [theirs, known] : kActivations) {
    if (known == ours) return theirs;
  }
  fail("model.activation {} has no name in transformers", ours);
}

void write_experts(const MoeOptions& moe, ordered_json& values) {
  values["num_experts"] = moe.experts;
  values["encoder_sparse_step"] = moe.side == MoeSide::kDecoder ? 0 : moe.every;
  values["decoder_sparse_step"] = moe.side == MoeSide::kEncoder ? 0 : moe.every;
  values["expert_capacity"] = nullptr;
  values["router_bias"] = false;
  values["router_dtype"] = "float32";
  values["second_expert_policy"] = kPolicies[static_cast<std::size_t>(moe.second_expert)];
  values["moe_eval_capacity_token_fraction"] = 1.0;
  // There the output is scaled in evaluation alone, by what this tells.
  values["moe_token_dropout"] = std::round((1.0 - moe.output_scale) * 1e12) / 1e12;
  values["router_aux_loss_coef"] = moe.balance_loss;
  values["router_z_loss_coef"] = moe.router_z_loss;
}

void check_experts(const MoeOptions& moe) {
  if (moe.router != RouterKind::kTokenChoice) no_class("moe.router", word_of(moe.router), "token-choice");
  if (moe.top_k != 2) no_class("moe.top-k", std::to_string(moe.top_k), "2");
  if (!moe.normalize_gates) no_class("moe.normalize-gates", "false", "true");
  if (moe.shared_experts > 0) no_class("moe.shared-experts", std::to_string(moe.shared_experts), "0");
  if (!moe.experts_per_layer.empty()) no_class("moe.experts-per-layer", "given", "as many experts in each layer");
  if (moe.output_scale > 1) no_class("moe.output-scale", fmt::format("{}", moe.output_scale), "at most 1");
}

}  // namespace

std::string_view name_of(ForeignClass kind) { return kClasses[static_cast<std::size_t>(kind)].name; }

ForeignConfig parse_foreign_config(const std::string& text, const std::filesystem::path& path) {
  const json values = try_parse_json(text);
  if (!values.is_object()) throw Error("no configuration: not a JSON object", {path, 0}, "copy or download it again");
  const ConfigReader reader(values, path);
  ForeignConfig config;
  config.kind = read_class(values, reader);
  const bool marian = config.kind == ForeignClass::kMarian;
  ModelOptions& model = config.model;
  model.vocabulary = reader.integer("vocab_size", 4);
  model.hidden = reader.integer("d_model", 2, 1 << 20);
  model.ffn = reader.same("encoder_ffn_dim", "decoder_ffn_dim");
  model.heads = reader.same("encoder_attention_heads", "decoder_attention_heads");
  model.encoder_layers = reader.integer("encoder_layers", 1, 4096);
  model.decoder_layers = reader.integer("decoder_layers", 1, 4096);
  model.max_positions = reader.integer("max_position_embeddings", 1);
  model.dropout = reader.share("dropout", 0.1);
  model.attention_dropout = reader.share("attention_dropout", 0.0);
  model.activation_dropout = reader.share("activation_dropout", 0.0);
  model.embedding_scale = reader.flag("scale_embedding", !marian);
  model.norm = marian ? NormOrder::kPost : NormOrder::kPre;
  model.position_frequencies = marian ? PositionFrequencies::kPaper : PositionFrequencies::kTensor2tensor;
  model.logits_bias = marian;
  const std::string activation = reader.text("activation_function", marian ? "gelu" : "relu");
  const auto known = std::find_if(kActivations.begin(), kActivations.end(),
                                  [&](const auto& entry) { return entry.first == activation; });
  if (known == kActivations.end()) {
    reader.bad("activation_function", fmt::format("is {}, which has no form here", in_quotes(activation)));
  }
  model.activation = known->second;
  reader.refuse("tie_word_embeddings", false, true);
  if (config.kind == ForeignClass::kNllbMoe) read_experts(reader, model.moe);
  config.ids = {reader.id("bos_token_id", model.vocabulary), reader.id("pad_token_id", model.vocabulary),
                reader.id("eos_token_id", model.vocabulary), reader.id("decoder_start_token_id", model.vocabulary)};
  if (config.ids.pad < 0) reader.bad("pad_token_id", "is missing");
  if (marian) {
    reader.refuse("share_encoder_decoder_embeddings", false, true);
    reader.refuse("normalize_before", true, false);
    reader.refuse("normalize_embedding", true, false);
    reader.refuse("add_final_layer_norm", true, false);
    if (reader.has("decoder_vocab_size") && reader.integer("decoder_vocab_size", 4) != model.vocabulary) {
      reader.bad("decoder_vocab_size", "is not vocab_size: two vocabularies have no form here");
    }
  } else {
    // Positions begin behind the id of padding.
    if (config.ids.pad >= 1024) reader.bad("pad_token_id", "is over 1023, and positions begin behind it");
    model.position_offset = config.ids.pad + 1;
  }
  tell_left_out(values, path);
  validate(model);
  return config;
}

ForeignClass class_for(const ModelOptions& model) {
  if (model.norm == NormOrder::kPost) {
    if (model.moe.experts > 0) no_class("norm", "post, with experts", "pre");
    if (model.position_frequencies != PositionFrequencies::kPaper)
      no_class("position-frequencies", word_of(model.position_frequencies), "paper");
    if (model.position_offset != 0) no_class("position-offset", std::to_string(model.position_offset), "0");
    if (!model.logits_bias) no_class("logits-bias", "false", "true");
    return ForeignClass::kMarian;
  }
  if (model.position_frequencies != PositionFrequencies::kTensor2tensor) {
    no_class("position-frequencies", word_of(model.position_frequencies), "tensor2tensor");
  }
  if (model.logits_bias) no_class("logits-bias", "true", "false");
  if (model.position_offset < 1) {
    no_class("position-offset", std::to_string(model.position_offset), "2, which is behind the id of padding");
  }
  if (model.moe.experts == 0) return ForeignClass::kM2m100;
  check_experts(model.moe);
  return ForeignClass::kNllbMoe;
}

ordered_json write_foreign_config(const ForeignConfig& config) {
  const ModelOptions& model = config.model;
  const ClassName& entry = kClasses[static_cast<std::size_t>(config.kind)];
  const auto id = [](std::int64_t value) { return value < 0 ? ordered_json() : ordered_json(value); };
  ordered_json values{{"activation_dropout", model.activation_dropout},
                      {"activation_function", foreign_activation(model.activation)},
                      {"architectures", {entry.name}},
                      {"attention_dropout", model.attention_dropout},
                      {"bos_token_id", id(config.ids.begin)},
                      {"d_model", model.hidden},
                      {"decoder_attention_heads", model.heads},
                      {"decoder_ffn_dim", model.ffn},
                      {"decoder_layerdrop", 0.0},
                      {"decoder_layers", model.decoder_layers},
                      {"decoder_start_token_id", id(config.ids.decoder_start)},
                      {"dropout", model.dropout},
                      {"encoder_attention_heads", model.heads},
                      {"encoder_ffn_dim", model.ffn},
                      {"encoder_layerdrop", 0.0},
                      {"encoder_layers", model.encoder_layers},
                      {"eos_token_id", id(config.ids.end)},
                      {"is_encoder_decoder", true},
                      {"max_position_embeddings", model.max_positions},
                      {"model_type", entry.model_type},
                      {"num_hidden_layers", model.encoder_layers},
                      {"pad_token_id", id(config.ids.pad)},
                      {"scale_embedding", model.embedding_scale},
                      {"use_cache", true},
                      {"vocab_size", model.vocabulary}};
  if (config.kind == ForeignClass::kMarian) {
    values["decoder_vocab_size"] = model.vocabulary;
    values["forced_eos_token_id"] = id(config.ids.end);
    values["share_encoder_decoder_embeddings"] = true;
  }
  if (config.kind == ForeignClass::kNllbMoe) write_experts(model.moe, values);
  return values;
}

ordered_json write_generation_config(const ForeignConfig& config, const DecodeOptions& decode) {
  ordered_json values;
  const auto add_id = [&](const char* key, std::int64_t id) {
    if (id >= 0) values[key] = id;
  };
  add_id("bos_token_id", config.ids.begin);
  add_id("decoder_start_token_id", config.ids.decoder_start);
  add_id("eos_token_id", config.ids.end);
  values["length_penalty"] = decode.length_penalty;
  values["max_length"] = std::min<std::int64_t>(config.model.max_positions, 200);
  values["no_repeat_ngram_size"] = decode.no_repeat_ngram;
  values["num_beams"] = decode.beam_size;
  add_id("pad_token_id", config.ids.pad);
  if (config.kind == ForeignClass::kMarian) {
    add_id("forced_eos_token_id", config.ids.end);
    values["bad_words_ids"] = {{config.ids.pad}};
  }
  return values;
}

void read_generation_config(const std::string& text, const std::filesystem::path& path, DecodeOptions& decode) {
  const json values = try_parse_json(text);
  if (!values.is_object()) throw Error("no configuration: not a JSON object", {path, 0}, "copy or download it again");
  const ConfigReader reader(values, path);
  if (reader.has("num_beams")) decode.beam_size = reader.integer("num_beams", 1, 1024);
  if (reader.has("no_repeat_ngram_size")) decode.no_repeat_ngram = reader.integer("no_repeat_ngram_size", 0, 1000);
  if (reader.has("length_penalty")) {
    const json& penalty = values["length_penalty"];
    if (!penalty.is_number() || penalty < 0.0 || penalty > 10.0)
      reader.bad("length_penalty", "is no number from 0 to 10");
    decode.length_penalty = penalty.get<double>();
  }
}

}  // namespace polymoe
