#include "polymoe/interchange/tensor_map.h"

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "polymoe/config/moe_layers.h"

namespace polymoe {
namespace {

// Where the names of a class differ from M2M100's.
struct BlockNames {
  std::string_view cross_attention;
  std::string_view cross_attention_norm;
  std::string_view feed_forward_norm;
  std::string_view feed_forward;  // of "fc1" and "fc2" in a layer
};
constexpr std::array<BlockNames, 3> kBlockNames{
    {{"encoder_attn", "encoder_attn_layer_norm", "final_layer_norm", ""},
     {"encoder_attn", "encoder_attn_layer_norm", "final_layer_norm", ""},
     {"cross_attention", "cross_attention_layer_norm", "ff_layer_norm", "ffn."}}};

class MapMaker {
 public:
  MapMaker(ForeignClass kind, const ModelOptions& model)
      : names_(kBlockNames[static_cast<std::size_t>(kind)]), model_(model) {}

  std::vector<TensorMap> make() {
    const std::int64_t vocabulary = model_.vocabulary;
    maps_.push_back(
        {"embedding", {vocabulary, model_.hidden}, {embedding_names().front()}, {vocabulary, model_.hidden}});
    if (model_.logits_bias) maps_.push_back({"logits_bias", {vocabulary}, {"final_logits_bias"}, {1, vocabulary}});
    add_side("encoder", model_.encoder_layers);
    add_side("decoder", model_.decoder_layers);
    return std::move(maps_);
  }

 private:
  void add_side(const std::string& side, std::int64_t layers) {
    for (std::int64_t i = 0; i < layers; ++i) {
      const std::string ours = fmt::format("{}.layers.{}.", side, i), theirs = "model." + ours;
      add_attention(ours + "self_attention.", theirs + "self_attn.", {"qkv"});
      add_norm(ours + "self_attention_norm", theirs + "self_attn_layer_norm");
      if (side == "decoder") {
        add_attention(ours + "cross_attention.", fmt::format("{}{}.", theirs, names_.cross_attention), {"q", "kv"});
        add_norm(ours + "cross_attention_norm", fmt::format("{}{}", theirs, names_.cross_attention_norm));
      }
      add_norm(ours + "feed_forward.norm", fmt::format("{}{}", theirs, names_.feed_forward_norm));
      add_feed_forward(ours + "feed_forward.", fmt::format("{}{}", theirs, names_.feed_forward),
                       experts_in_layer(model_, side, i));
    }
    if (model_.norm == NormOrder::kPre) add_norm(side + ".norm", fmt::format("model.{}.layer_norm", side));
  }

  // Products of queries, keys and values are one tensor each here, or one for several of them.
  void add_attention(const std::string& ours, const std::string& theirs, const std::vector<std::string>& products) {
    const std::int64_t hidden = model_.hidden;
    for (const char* const kind : {"weight", "bias"}) {
      const bool is_weight = kind == std::string_view("weight");
      const auto shape = [&](std::int64_t rows) {
        return is_weight ? std::vector<std::int64_t>{rows, hidden} : std::vector<std::int64_t>{rows};
      };
      for (const std::string& product : products) {
        std::vector<std::string> parts;
        for (const char part : product) parts.push_back(fmt::format("{}{}_proj.{}", theirs, part, kind));
        const auto count = static_cast<std::int64_t>(parts.size());
        maps_.push_back({fmt::format("{}{}.{}", ours, product, kind), shape(count * hidden), parts, shape(hidden)});
      }
      add(fmt::format("{}out.{}", ours, kind), fmt::format("{}out_proj.{}", theirs, kind), shape(hidden));
    }
  }

  void add_norm(const std::string& ours, const std::string& theirs) {
    for (const char* const kind : {".weight", ".bias"}) add(ours + kind, theirs + kind, {model_.hidden});
  }

  void add_feed_forward(const std::string& ours, const std::string& theirs, std::int64_t experts) {
    const std::int64_t hidden = model_.hidden, ffn = model_.ffn;
    const auto add_block = [&](const std::string& our_up, const std::string& our_down, char separator,
                               const std::string& block) {
      add(fmt::format("{}{}weight", our_up, separator), block + "fc1.weight", {ffn, hidden});
      add(fmt::format("{}{}bias", our_up, separator), block + "fc1.bias", {ffn});
      add(fmt::format("{}{}weight", our_down, separator), block + "fc2.weight", {hidden, ffn});
      add(fmt::format("{}{}bias", our_down, separator), block + "fc2.bias", {hidden});
    };
    if (experts == 0) return add_block(ours + "ffn.up", ours + "ffn.down", '.', theirs);
    add(ours + "moe.gate.weight", theirs + "router.classifier.weight", {experts, hidden});
    for (std::int64_t e = 0; e < experts; ++e) {
      const std::string expert = fmt::format("{}moe.experts.{}.", ours, e);
      add_block(expert + "up", expert + "down", '_', fmt::format("{}experts.expert_{}.", theirs, e));
    }
  }

  void add(const std::string& ours, const std::string& theirs, const std::vector<std::int64_t>& shape) {
    maps_.push_back({ours, shape, {theirs}, shape});
  }

  const BlockNames& names_;
  const ModelOptions& model_;
  std::vector<TensorMap> maps_;
};

}  // namespace

std::vector<TensorMap> tensor_maps(ForeignClass kind, const ModelOptions& model) {
  return MapMaker(kind, model).make();
}

const std::vector<std::string>& embedding_names() {
  static const std::vector<std::string> names{"model.shared.weight", "model.encoder.embed_tokens.weight",
                                              "model.decoder.embed_tokens.weight", "lm_head.weight"};
  return names;
}

const std::vector<std::string>& position_names() {
  static const std::vector<std::string> names{
      "model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight",
      "model.encoder.embed_positions.weights", "model.decoder.embed_positions.weights"};
  return names;
}

}  // namespace polymoe
