#include "polymoe/decode/beam_search.h"
#include "polymoe/config/decode_options.h"

#include <cmath>

#include <gtest/gtest.h>

#include "polymoe/data/batch.h"
#include "polymoe/inference/module_model.h"
#include "polymoe/loss/cross_entropy.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

class BeamSearchTest : public ::testing::Test {
 protected:
  BeamSearchTest() {
    ModelOptions options;
    options.vocabulary = 20;
    options.hidden = 16;
    options.ffn = 32;
    options.heads = 4;
    options.encoder_layers = 1;
    options.decoder_layers = 2;
    options.moe.experts = 3;
    model_ = make_model(options);
    initialize(*model_, 4);
    on_device(model_);
    symbols_.end = 2;
    symbols_.forbidden = {0, 1, 3, 5};
    options_.max_length_factor = 0.0;
    options_.max_length_offset = 6;
    options_.no_repeat_ngram = 0;
  }

  std::vector<std::vector<Hypothesis>> search(const std::vector<std::vector<std::int32_t>>& sources,
                                              const std::vector<std::int32_t>& first_ids) const {
    ModuleModel model(model_);
    return beam_search(model, sources, first_ids, symbols_, options_);
  }

  // log p(ids </s>?) by the whole forward, without caches.
  double log_probability(const std::vector<std::int32_t>& row, std::vector<std::int32_t> ids, bool ended) {
    Example example;
    example.source = row;
    example.start = 5;
    if (ended) ids.push_back(2);
    example.target = ids;
    ForwardContext context;
    context.dropless = true;
    const ModelInput input = make_model_input(make_micro_batch({example}, 1), test_device());
    const at::Tensor states = model_->decode(input.target, model_->encode(input.source, context), context);
    const at::Tensor p = projected_log_probabilities(states, model_->projection());
    return p.gather(1, input.labels.unsqueeze(1)).sum().item<double>();
  }

  // Makes the model predict `logits` [positions, vocabulary], whatever it reads: blocks that add nothing and embeddings
  // next to nothing leave the positions alone, which the last norm and the projection turn into logits.
  void predict_by_position(const at::Tensor& logits) {
    const at::NoGradGuard no_grad;
    const double small = 1e-5;
    for (auto& item : model_->named_parameters()) item.value().zero_();
    at::Tensor embedding = model_->named_parameters()["embedding"];
    at::Tensor scale = model_->named_parameters()["decoder.norm.weight"];
    scale.fill_(1.0);
    Example example;
    example.source = kRow;
    example.start = 5;
    example.target.assign(static_cast<std::size_t>(logits.size(0)), 7);
    ForwardContext context;
    const ModelInput input = make_model_input(make_micro_batch({example}, 1), test_device());
    const at::Tensor states = model_->decode(input.target, model_->encode(input.source, context), context);
    const at::Tensor inverse = at::linalg_pinv(states.to(at::kCPU, at::kDouble));
    embedding.copy_(at::matmul(inverse, logits.to(at::kDouble)).t() * small);
    scale.fill_(1.0 / small);
  }

  static const std::vector<std::int32_t> kRow, kOther;
  Model model_{nullptr};
  SearchSymbols symbols_;
  DecodeOptions options_;
};

const std::vector<std::int32_t> BeamSearchTest::kRow{5, 7, 8, 9, 2};
const std::vector<std::int32_t> BeamSearchTest::kOther{5, 11, 2};

TEST_F(BeamSearchTest, GreedyTakesTheBestTokenAtEachStep) {
  options_.beam_size = 1;
  const auto result = search({kRow}, {5});
  std::vector<std::int32_t> ids;
  for (int step = 0; step < 6; ++step) {
    double best = -1e30;
    std::int32_t best_id = -1;
    for (std::int32_t id = 0; id < 20; ++id) {
      if (id == 0 || id == 1 || id == 3 || id == 5) continue;
      std::vector<std::int32_t> longer = ids;
      if (id != 2) longer.push_back(id);
      const double score = log_probability(kRow, longer, id == 2);
      if (score > best) {
        best = score;
        best_id = id;
      }
    }
    if (best_id == 2) break;
    ids.push_back(best_id);
  }
  EXPECT_EQ(result[0][0].ids, ids);
}

TEST_F(BeamSearchTest, ScoresAreLogProbabilitiesOverLengthToThePenalty) {
  options_.beam_size = 4;
  options_.n_best = 4;
  options_.length_penalty = 0.7;
  const auto results = search({kRow}, {5});
  for (const Hypothesis& hypothesis : results[0]) {
    const bool ended = hypothesis.ids.size() < 6;
    const double length = static_cast<double>(hypothesis.ids.size()) + (ended ? 1 : 0);
    const double expected = log_probability(kRow, hypothesis.ids, ended) / std::pow(length, 0.7);
    EXPECT_NEAR(hypothesis.score, expected, tolerance(1e-4));  // float32 sums of up to 7 log probabilities
  }
}

TEST_F(BeamSearchTest, ForcedIdsComeFirstAndAreNoPartOfResults) {
  options_.beam_size = 3;
  options_.n_best = 3;
  symbols_.forced = {7, 4};
  const auto results = search({kRow, kOther}, {5, 5});
  const double forced = log_probability(kRow, symbols_.forced, false);
  for (const Hypothesis& hypothesis : results[0]) {
    std::vector<std::int32_t> ids = symbols_.forced;
    ids.insert(ids.end(), hypothesis.ids.begin(), hypothesis.ids.end());
    EXPECT_LE(hypothesis.ids.size(), 6u);
    const bool ended = !hypothesis.cut_off;
    const double length = static_cast<double>(ids.size()) + (ended ? 1 : 0);
    const double expected = (log_probability(kRow, ids, ended) - forced) / length;
    EXPECT_NEAR(hypothesis.score, expected, tolerance(1e-4));  // float32 sums of up to 9 log probabilities
  }
}

TEST_F(BeamSearchTest, PoorEndingsDoNotEndTheSearchForASureHypothesis) {
  // By position: three times id 7, sure, with the end as a poor second; then the end, sure.
  at::Tensor wanted = at::full({4, 20}, -12.0);
  wanted.select(1, 7).narrow(0, 0, 3).fill_(0.0);
  wanted.select(1, 2).narrow(0, 0, 3).fill_(-5.0);
  wanted[3][2].fill_(0.0);
  predict_by_position(wanted);
  options_.beam_size = 2;
  const auto result = search({kRow}, {5});
  EXPECT_EQ(result[0][0].ids, (std::vector<std::int32_t>{7, 7, 7}));
}

TEST_F(BeamSearchTest, LoopsAreBrokenWhereAskedTo) {
  // Everywhere id 7 rather than 8 rather than the end.
  at::Tensor wanted = at::full({6, 20}, -12.0);
  wanted.select(1, 7).fill_(0.0);
  wanted.select(1, 8).fill_(-1.0);
  wanted.select(1, 2).fill_(-1.5);
  predict_by_position(wanted);
  options_.beam_size = 1;
  const auto ids = [&] { return search({kOther}, {5})[0][0].ids; };
  EXPECT_EQ(ids(), (std::vector<std::int32_t>{7, 7, 7, 7, 7, 7}));
  options_.no_repeat_ngram = DecodeOptions{}.no_repeat_ngram;
  EXPECT_EQ(ids(), (std::vector<std::int32_t>{7, 7, 7, 7, 8, 7}));  // no four tokens come twice
  options_.no_repeat_ngram = 2;
  EXPECT_EQ(ids(), (std::vector<std::int32_t>{7, 7, 8, 7}));  // 7 7, 7 8 and 8 7 are there; 8 8 is not, but -1.5 ends
  options_.no_repeat_ngram = 1;
  EXPECT_EQ(ids(), (std::vector<std::int32_t>{7, 8}));
  options_.no_repeat_ngram = 0;
  options_.repetition_penalty = 10.0;
  EXPECT_EQ(ids(), (std::vector<std::int32_t>{7, 8}));
}

TEST_F(BeamSearchTest, AFullBeamFindsTheBestOfAll) {
  // Two steps and a beam wider than the number of ways to go on: nothing can be lost. Compare with every sequence.
  options_.beam_size = 400;
  options_.min_length = 0;
  options_.length_penalty = 0.0;
  options_.max_length_offset = 2;
  const auto result = search({kRow}, {5});
  double best = -1e30;
  for (std::int32_t a = 4; a < 20; ++a) {
    if (a == 5) continue;
    best = std::max({best, log_probability(kRow, {a}, true)});
  }
  best = std::max(best, log_probability(kRow, {}, true));
  EXPECT_NEAR(result[0][0].score, best, tolerance(1e-4));
}

TEST_F(BeamSearchTest, ATranslationDoesNotDependOnItsBatch) {
  options_.beam_size = 3;
  options_.n_best = 3;
  const auto alone = search({kOther}, {5});
  const auto together = search({kRow, kOther, kRow}, {5, 5, 5});
  ASSERT_EQ(alone[0].size(), together[1].size());
  for (std::size_t i = 0; i < alone[0].size(); ++i) {
    EXPECT_EQ(alone[0][i].ids, together[1][i].ids);
    EXPECT_NEAR(alone[0][i].score, together[1][i].score, tolerance(1e-4));
  }
}

TEST_F(BeamSearchTest, ResultsAreSortedDistinctAndFreeOfForbiddenIds) {
  options_.beam_size = 5;
  options_.n_best = 5;
  const auto results = search({kRow, kOther}, {5, 5});
  for (const auto& hypotheses : results) {
    ASSERT_FALSE(hypotheses.empty());
    for (std::size_t i = 0; i < hypotheses.size(); ++i) {
      if (i > 0) {
        EXPECT_LE(hypotheses[i - 1].cut_off, hypotheses[i].cut_off);
        if (hypotheses[i - 1].cut_off == hypotheses[i].cut_off) {
          EXPECT_GE(hypotheses[i - 1].score, hypotheses[i].score);
        }
        EXPECT_NE(hypotheses[i - 1].ids, hypotheses[i].ids);
      }
      EXPECT_LE(hypotheses[i].ids.size(), 6u);
      for (const std::int32_t id : hypotheses[i].ids) {
        EXPECT_EQ(std::count(symbols_.forbidden.begin(), symbols_.forbidden.end(), id), 0);
        EXPECT_NE(id, 2);
      }
    }
  }
}

}  // namespace
}  // namespace polymoe
