#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "polymoe/loss/cross_entropy.h"
#include "polymoe/model/encoder_decoder.h"
#include "polymoe/nn/moe/dispatcher.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "support/thread_axis.h"

namespace polymoe {
namespace {

enum class ExpertKind { kNone, kWhole, kSliced };

// 50 entries do not divide by 4 slices, nor do slices of 300 activations begin where the mask's chunks do.
ModelOptions options_to_slice(ExpertKind experts) {
  ModelOptions options;
  options.vocabulary = 50;
  options.hidden = 16;
  options.ffn = 300;
  options.heads = 4;
  options.encoder_layers = 2;
  options.decoder_layers = 2;
  options.max_positions = 64;
  options.activation = Activation::kGelu;
  options.dropout = options.attention_dropout = options.activation_dropout = 0.2;
  if (experts != ExpertKind::kNone) {
    options.moe.experts = 4;
    options.moe.top_k = 2;
    options.moe.min_capacity = 1;
  }
  return options;
}

ModelInput input_to_slice(const at::Device& device) {
  Example a, b;
  a.source = {5, 10, 11, 2};
  a.target = {20, 33, 2};
  b.source = {5, 12, 49, 14, 15, 16, 2};
  b.target = {21, 22, 0, 24, 2};
  a.start = b.start = 5;
  return make_model_input(make_micro_batch({a, b}, 1), device);
}

Partition partition_of(const std::shared_ptr<ModelAxis>& axis, ExpertKind experts) {
  Partition partition{.model_axis = axis, .slice_experts = experts == ExpertKind::kSliced};
  if (partition.slice_experts) partition.dispatcher = std::make_shared<LocalDispatcher>(axis);
  return partition;
}

// What one slice knows after forward and backward.
struct SliceResult {
  double loss = 0.0;
  std::map<std::string, ParameterSpec> shards;
  std::map<std::string, at::Tensor> gradients;
};

SliceResult forward_and_backward(EncoderDecoder model, at::ScalarType type) {
  initialize(*model, 11);
  model->to(type);
  const ModelInput input = input_to_slice(at::kCPU);
  ForwardContext context;
  context.training = true;
  context.seed = 3;
  context.micro_batch = 1;
  ForwardOutputs outputs;
  context.outputs = &outputs;
  const at::Tensor states = model->decode(input.target, model->encode(input.source, context), context);
  at::Tensor loss = projected_cross_entropy(states, model->projection(), input.labels, 0.1, 8.0).loss;
  for (const at::Tensor& balance : outputs.balance_losses) loss = loss + 0.1 * balance;
  loss.backward();

  SliceResult result;
  result.loss = loss.item<double>();
  result.shards = parameter_specs(*model);
  for (const auto& item : model->named_parameters()) result.gradients[item.key()] = item.value().grad();
  return result;
}

std::vector<SliceResult> results_of(std::int64_t slices, ExpertKind experts, at::ScalarType type) {
  std::vector<SliceResult> results(static_cast<std::size_t>(slices));
  run_slices(slices, [&](const std::shared_ptr<ModelAxis>& axis) {
    results[static_cast<std::size_t>(axis->rank())] =
        forward_and_backward(EncoderDecoder(options_to_slice(experts), partition_of(axis, experts)), type);
  });
  return results;
}

// Puts the slices' parts of a tensor together. What nobody has stays NaN.
at::Tensor assembled(const std::vector<SliceResult>& slices, const std::string& name) {
  const ShardSpec& first = slices[0].shards.at(name).shard;
  at::Tensor whole = at::full({logical_size(first)}, std::nan(""), slices[0].gradients.at(name).options());
  for (const SliceResult& slice : slices) {
    const at::Tensor part = slice.gradients.at(name).flatten();
    for (const Run& run : runs_of(slice.shards.at(name).shard)) {
      whole.narrow(0, run.logical, run.count).copy_(part.narrow(0, run.local, run.count));
    }
  }
  return whole.view(first.logical_shape);
}

TEST(SlicedModel, LossAndGradientsEqualThoseOfTheWholeModel) {
  for (const ExpertKind experts : {ExpertKind::kNone, ExpertKind::kWhole, ExpertKind::kSliced}) {
    const SliceResult whole = forward_and_backward(EncoderDecoder(options_to_slice(experts)), at::kDouble);
    for (const std::int64_t slices : {1, 2, 4}) {
      const std::vector<SliceResult> results = results_of(slices, experts, at::kDouble);
      // float64; only the order of sums differs.
      for (const SliceResult& slice : results) EXPECT_NEAR(slice.loss, whole.loss, 1e-12);
      for (const auto& [name, gradient] : whole.gradients) {
        EXPECT_TRUE(at::allclose(assembled(results, name), gradient, 1e-9, 1e-13))
            << name << ", " << slices << " slices, kind of experts " << static_cast<int>(experts);
      }
    }
  }
}

TEST(SlicedModel, WhatEverySliceHoldsGetsTheSameBitsOnEach) {
  for (const ExpertKind experts : {ExpertKind::kNone, ExpertKind::kWhole, ExpertKind::kSliced}) {
    const std::vector<SliceResult> results = results_of(4, experts, at::kFloat);
    int replicated = 0;
    for (const auto& [name, parameter] : results[0].shards) {
      if (!parameter.shard.is_whole()) continue;
      ++replicated;
      for (const SliceResult& slice : results) {
        EXPECT_TRUE(at::equal(slice.gradients.at(name), results[0].gradients.at(name))) << name;
      }
    }
    EXPECT_GT(replicated, 20) << "norms and the biases of outputs";
    for (const SliceResult& slice : results) EXPECT_EQ(slice.loss, results[0].loss);
  }
}

// A place on a model axis, without the other slices.
class LoneSlice : public ModelAxis {
 public:
  LoneSlice(std::int64_t rank, std::int64_t size) : rank_(rank), size_(size) {}
  std::int64_t size() const override { return size_; }
  std::int64_t rank() const override { return rank_; }

 private:
  std::int64_t rank_, size_;
};

TEST(SlicedModel, InitialValuesAndCountsAreThoseOfTheWholeModel) {
  const ModelOptions options = options_to_slice(ExpertKind::kSliced);
  EncoderDecoder whole(options);
  initialize(*whole, 7);
  std::map<std::string, std::int64_t> covered;  // elements of each logical tensor, over all parts
  constexpr std::int64_t kSlices = 4, kExpertParts = 2;
  for (std::int64_t place = 0; place < kSlices * kExpertParts; ++place) {
    const Partition partition{.model_axis = std::make_shared<LoneSlice>(place % kSlices, kSlices),
                              .expert_rank = place / kSlices,
                              .expert_parts = kExpertParts};
    EncoderDecoder part(options, partition);
    initialize(*part, 7);
    const std::map<std::string, ParameterSpec> shards = parameter_specs(*part);
    for (const auto& item : part->named_parameters()) {
      const at::Tensor logical = whole->named_parameters()[item.key()].flatten(), local = item.value().flatten();
      const ShardSpec& shard = shards.at(item.key()).shard;
      EXPECT_EQ(shard.local_shape(), item.value().sizes().vec()) << item.key();
      EXPECT_EQ(shard.logical_shape, whole->named_parameters()[item.key()].sizes().vec()) << item.key();
      for (const auto& run : runs_of(shard)) {
        ASSERT_TRUE(at::equal(local.narrow(0, run.local, run.count), logical.narrow(0, run.logical, run.count)))
            << item.key() << " from " << run.logical;
        covered[item.key()] += run.count;
      }
    }
    EXPECT_EQ(count_parameters(*part).total, count_parameters(*whole).total);
    EXPECT_EQ(count_parameters(*part).active, count_parameters(*whole).active);
  }
  // Dense matrices are there once for each part of the experts, and norms once for each process.
  EXPECT_EQ(covered.at("embedding"), kExpertParts * 50 * 16);
  EXPECT_EQ(covered.at("encoder.layers.0.self_attention.qkv.weight"), kExpertParts * 3 * 16 * 16);
  EXPECT_EQ(covered.at("encoder.layers.1.feed_forward.moe.experts.down_weight"), 4 * 16 * 300);
  EXPECT_EQ(covered.at("encoder.layers.1.feed_forward.moe.experts.down_bias"), kSlices * 4 * 16);
  EXPECT_EQ(covered.at("encoder.layers.1.feed_forward.norm.weight"), kExpertParts * kSlices * 16);
}

TEST(SlicedModel, DecodingStepsEqualThoseOfTheWholeModel) {
  const ModelOptions options = options_to_slice(ExpertKind::kSliced);
  const ModelInput input = input_to_slice(test_device());
  const auto decode = [&](EncoderDecoder model) {
    const at::NoGradGuard no_grad;
    initialize(*model, 11);
    on_device(model);
    ForwardContext context;
    context.dropless = true;
    DecoderState state = model->start(model->encode(input.source, context));
    std::vector<at::Tensor> steps;
    for (const std::int64_t id : {5, 49, 20}) {
      const at::Tensor states = model->step(on_device(at::full({4}, id, at::kLong)), state, context);
      steps.push_back(projected_log_probabilities(states, model->projection()));
    }
    return at::stack(steps);
  };
  const at::Tensor whole = decode(EncoderDecoder(options));
  std::vector<at::Tensor> sliced(2);
  run_slices(2, [&](const std::shared_ptr<ModelAxis>& axis) {
    sliced[static_cast<std::size_t>(axis->rank())] =
        decode(EncoderDecoder(options, partition_of(axis, ExpertKind::kSliced)));
  });
  EXPECT_TRUE(at::equal(sliced[0], sliced[1]));
  // Sums over up to 300 products in float32, in another order.
  EXPECT_TRUE(close(sliced[0], whole, 1e-4, 1e-5));
}

}  // namespace
}  // namespace polymoe
