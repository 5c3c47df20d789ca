#include "polymoe/model/encoder_decoder.h"

#include <cmath>

#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/loss/cross_entropy.h"
#include "polymoe/nn/positions.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

ModelOptions small_options() {
  ModelOptions options;
  options.vocabulary = 50;
  options.hidden = 16;
  options.ffn = 32;
  options.heads = 4;
  options.encoder_layers = 2;
  options.decoder_layers = 2;
  options.max_positions = 64;
  return options;
}

EncoderDecoder initialized_model(const ModelOptions& options) {
  EncoderDecoder model(options);
  initialize(*model, 11);
  return on_device(model);
}

Example make_example(std::vector<std::int32_t> source, std::vector<std::int32_t> target) {
  Example example;
  example.source = std::move(source);
  example.target = std::move(target);
  example.start = 5;
  return example;
}

const Example kShort = make_example({5, 10, 11, 2}, {20, 2});
const Example kLong = make_example({5, 12, 13, 14, 15, 16, 2}, {21, 22, 23, 24, 2});

at::Tensor states_of(EncoderDecoder& model, const std::vector<Example>& examples) {
  const ModelInput input = make_model_input(make_micro_batch(examples, 1), test_device());
  ForwardContext context;
  context.dropless = true;
  return model->decode(input.target, model->encode(input.source, context), context);
}

TEST(EncoderDecoder, PaddingDoesNotChangeARow) {
  for (const std::int64_t experts : {0, 4}) {
    ModelOptions options = small_options();
    options.moe.experts = experts;
    EncoderDecoder model = initialized_model(options);
    const at::Tensor alone = states_of(model, {kShort});
    const at::Tensor together = states_of(model, {kShort, kLong}).narrow(0, 0, 2);
    // The same sums in float32, perhaps blocked otherwise.
    EXPECT_TRUE(close(alone, together, 1e-4, 1e-5)) << experts << " experts";
  }
}

TEST(EncoderDecoder, PositionsHaveEitherFrequencies) {
  const at::Tensor paper = sinusoidal_positions(50, 8, PositionFrequencies::kPaper), code = sinusoidal_positions(50, 8);
  for (const std::int64_t p : {0, 1, 7, 49}) {
    for (std::int64_t i = 0; i < 4; ++i) {
      const auto position = static_cast<double>(p), place = static_cast<double>(i);
      const double a = position * std::pow(10000.0, -place / 4), b = position * std::pow(10000.0, -place / 3);
      EXPECT_NEAR(paper[p][i].item<double>(), std::sin(a), 1e-6) << p << " " << i;
      EXPECT_NEAR(paper[p][4 + i].item<double>(), std::cos(a), 1e-6) << p << " " << i;
      EXPECT_NEAR(code[p][i].item<double>(), std::sin(b), 1e-6) << p << " " << i;
      EXPECT_NEAR(code[p][4 + i].item<double>(), std::cos(b), 1e-6) << p << " " << i;
    }
  }

  ModelOptions options = small_options();
  EncoderDecoder model = initialized_model(options);
  options.position_frequencies = PositionFrequencies::kPaper;
  EncoderDecoder other = initialized_model(options);
  EXPECT_FALSE(close(states_of(model, {kShort}), states_of(other, {kShort}), 1e-3, 1e-3)) << "the option has an effect";
}

TEST(EncoderDecoder, TheBiasOfTheLogitsIsAParameterAndStartsAtZero) {
  ModelOptions options = small_options();
  EXPECT_FALSE(make_model(options)->named_parameters().contains("logits_bias"));
  options.logits_bias = true;
  EncoderDecoder model = initialized_model(options);
  const at::Tensor bias = model->named_parameters()["logits_bias"];
  EXPECT_EQ(bias.sizes(), (at::IntArrayRef{options.vocabulary}));
  EXPECT_TRUE((bias == 0).all().item<bool>());
  EXPECT_TRUE(model->projection().bias.is_same(bias));
}

TEST(EncoderDecoder, TheDecoderDoesNotSeeTheFuture) {
  EncoderDecoder model = initialized_model(small_options());
  Example other = kLong;
  other.target[2] = 40;  // read at position 3
  const at::Tensor a = states_of(model, {kLong}), b = states_of(model, {other});
  EXPECT_TRUE(close(a.narrow(0, 0, 3), b.narrow(0, 0, 3), 1e-5, 1e-6));
  EXPECT_FALSE(at::allclose(a.narrow(0, 3, 1), b.narrow(0, 3, 1), 1e-3, 1e-3));
}

TEST(EncoderDecoder, SteppingWithCachesEqualsTheWholeForward) {
  for (const std::int64_t experts : {0, 4}) {
    ModelOptions options = small_options();
    options.moe.experts = experts;
    EncoderDecoder model = initialized_model(options);
    const at::Tensor whole = states_of(model, {kShort, kLong});
    const MicroBatch batch = make_micro_batch({kShort, kLong}, 1);
    ForwardContext context;
    context.dropless = true;
    const EncodedSource encoded =
        model->encode(make_source_input({kShort.source, kLong.source}, test_device()), context);
    DecoderState state = model->start(encoded);
    for (std::int64_t position = 0; position < 5; ++position) {
      const at::Tensor ids = at::tensor({batch.target_input[static_cast<std::size_t>(position)],
                                         batch.target_input[static_cast<std::size_t>(5 + position)]},
                                        at::kLong);
      const at::Tensor states = model->step(on_device(ids), state, context);
      if (position < 2) {
        EXPECT_TRUE(close(states[0], whole[position], 1e-4, 1e-5));
      }
      EXPECT_TRUE(close(states[1], whole[2 + position], 1e-4, 1e-5)) << position;
    }
  }
}

TEST(EncoderDecoder, DropoutIsAFunctionOfItsCoordinates) {
  EncoderDecoder model = initialized_model(small_options());
  const ModelInput input = make_model_input(make_micro_batch({kShort, kLong}, 1), test_device());
  const auto run = [&](std::uint64_t seed, std::uint64_t update) {
    ForwardContext context;
    context.training = true;
    context.seed = seed;
    context.update = update;
    return model->decode(input.target, model->encode(input.source, context), context).detach();
  };
  EXPECT_TRUE(at::equal(run(1, 1), run(1, 1)));
  EXPECT_FALSE(at::equal(run(1, 1), run(1, 2)));
  EXPECT_FALSE(at::equal(run(1, 1), run(2, 1)));
}

TEST(EncoderDecoder, EveryOptionRunsAndTrains) {
  for (const char* norm : {"pre", "post"}) {
    for (const char* activation : {"relu", "gelu", "swish"}) {
      ModelOptions options = small_options();
      options.norm = from_word<NormOrder>(norm);
      options.activation = from_word<Activation>(activation);
      options.position_offset = 2;
      options.embedding_scale = false;
      options.attention_dropout = 0.1;
      options.activation_dropout = 0.1;
      options.moe.experts = 4;
      options.moe.top_k = 2;
      EncoderDecoder model = initialized_model(options);
      const ModelInput input = make_model_input(make_micro_batch({kShort, kLong}, 1), test_device());
      ForwardContext context;
      context.training = true;
      ForwardOutputs outputs;
      context.outputs = &outputs;
      const at::Tensor states = model->decode(input.target, model->encode(input.source, context), context);
      EXPECT_EQ(outputs.balance_losses.size(), 2u);
      projected_cross_entropy(states, model->projection(), input.labels, 0.1, 7.0).loss.backward();
      for (const auto& item : model->named_parameters()) {
        const bool gate = item.key().find("gate") != std::string::npos;
        const bool expert = item.key().find("experts") != std::string::npos;
        if (gate || expert) continue;  // an expert without tokens has no gradient
        ASSERT_TRUE(item.value().grad().defined()) << item.key();
        EXPECT_TRUE(at::isfinite(item.value().grad()).all().item<bool>()) << item.key();
      }
    }
  }
}

TEST(EncoderDecoder, MoeLayersStandWhereTheOptionsSay) {
  ModelOptions options = small_options();
  options.encoder_layers = 6;
  options.moe.experts = 2;
  options.moe.every = 3;
  options.moe.side = MoeSide::kEncoder;
  EncoderDecoder model = initialized_model(options);
  std::vector<std::string> gates;
  for (const auto& item : model->named_parameters()) {
    if (item.key().find("gate.weight") != std::string::npos) gates.push_back(item.key());
  }
  EXPECT_EQ(gates, (std::vector<std::string>{"encoder.layers.2.feed_forward.moe.gate.weight",
                                             "encoder.layers.5.feed_forward.moe.gate.weight"}));
}

TEST(EncoderDecoder, CountsActiveParameters) {
  ModelOptions options = small_options();
  EncoderDecoder dense = initialized_model(options);
  options.moe.experts = 4;
  EncoderDecoder moe = initialized_model(options);
  const ParameterCount d = count_parameters(*dense), m = count_parameters(*moe);
  EXPECT_EQ(d.total, d.active);
  const std::int64_t expert = 2 * 16 * 32 + 16 + 32, gates = 2 * 4 * 16;
  EXPECT_EQ(m.active, d.total + gates);
  EXPECT_EQ(m.total, d.total + gates + 2 * 3 * expert);
  options.moe.shared_experts = 2;
  const ParameterCount s = count_parameters(*initialized_model(options));
  const std::int64_t shared = 2 * (2 * 16 * 64 + 16 + 64);  // in two layers, one block of twice the width
  EXPECT_EQ(s.active, m.active + shared);
  EXPECT_EQ(s.total, m.total + shared);
}

TEST(EncoderDecoder, InitialWeightsDependOnSeedAndNameAlone) {
  EncoderDecoder a = initialized_model(small_options());
  ModelOptions options = small_options();
  options.moe.experts = 4;
  EncoderDecoder b = initialized_model(options);
  EXPECT_TRUE(at::equal(a->named_parameters()["decoder.layers.1.self_attention.qkv.weight"],
                        b->named_parameters()["decoder.layers.1.self_attention.qkv.weight"]));
}

}  // namespace
}  // namespace polymoe
