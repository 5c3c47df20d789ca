#include "polymoe/kernels/cpu/cross_entropy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include "support/products.h"

namespace polymoe::kernels {
namespace {

std::vector<float> zeros(std::int64_t count) { return std::vector<float>(static_cast<std::size_t>(count)); }

// A group of tokens with all that the steps find, and the same by plain sums in double.
template <typename Element>
struct Group {
  std::int64_t tokens, hidden, count;
  std::vector<Element> states, weight, bias;
  std::vector<std::int64_t> labels;

  std::vector<float> packed, logits;
  std::vector<float> greatest = std::vector<float>(kPanel, -std::numeric_limits<float>::infinity());
  std::vector<float> exponentials = zeros(kPanel), differences = zeros(kPanel);
  std::vector<float> scale = zeros(kPanel), offset = zeros(kPanel);
  std::vector<Element> grad_states;
  std::vector<float> grad_weight, grad_bias;

  Group(std::int64_t tokens, std::int64_t hidden, std::int64_t count)
      : tokens(tokens),
        hidden(hidden),
        count(count),
        states(elements_of<Element>(numbers(tokens * hidden, "states"))),
        weight(elements_of<Element>(numbers(count * hidden, "weight"))),
        bias(elements_of<Element>(numbers(count, "bias"))),
        packed(zeros(packed_states_size(hidden))),
        logits(zeros(logit_rows(count) * kPanel)),
        grad_states(static_cast<std::size_t>(tokens * hidden)),
        grad_weight(zeros(count * hidden)),
        grad_bias(zeros(count)) {}

  static constexpr float kOffset = 0.01f, kLabelShare = 0.75f;

  Entries<Element> entries() const { return {weight.data(), bias.data(), count, hidden}; }

  void run(Vectors vectors, bool continues = false) {
    labels.clear();
    for (std::int64_t t = 0; t < tokens; ++t) labels.push_back((t * 7 + 3) % count);
    pack_states(states.data(), tokens, hidden, packed.data());
    std::vector<float> some = zeros(kPanel), others = zeros(kPanel);
    for (std::int64_t block = 0; block < entry_blocks(count); ++block) {
      entry_logits(entries(), block, packed.data(), logits.data(), some.data(), vectors);
      for (std::size_t t = 0; t < kPanel; ++t) greatest[t] = std::max(greatest[t], some[t]);
    }
    for (std::int64_t block = 0; block < entry_blocks(count); ++block) {
      entry_sums(count, block, greatest.data(), logits.data(), some.data(), others.data(), vectors);
      for (std::size_t t = 0; t < kPanel; ++t) {
        exponentials[t] += some[t];
        differences[t] += others[t];
      }
    }
    for (std::size_t t = 0; t < static_cast<std::size_t>(tokens); ++t) {
      scale[t] = 1.0f / exponentials[t];
      offset[t] = kOffset;
    }
    for (std::int64_t block = 0; block < entry_blocks(count); ++block) {
      entry_gradients(entries(), block, packed.data(),
                      {tokens, scale.data(), offset.data(), labels.data(), kLabelShare}, logits.data(), continues,
                      grad_weight.data(), grad_bias.data(), vectors);
    }
    std::vector<float> scratch = zeros(kStatesGradientScratch);
    for (std::int64_t panel = 0; panel < panels_of(hidden); ++panel)
      states_gradient(entries(), logits.data(), tokens, panel, grad_states.data(), scratch.data(), vectors);
  }
};

template <typename Element>
double at(const std::vector<Element>& values, std::int64_t place) {
  return static_cast<double>(to_float(values[static_cast<std::size_t>(place)]));
}

template <typename Element>
void expect_right(const Group<Element>& g) {
  // A gradient is rounded before it is multiplied, and that of a state once more.
  const double near = std::max(1e-5, kRounding<Element>), grad_state_near = std::max(1e-5, 3 * kRounding<Element>);
  std::vector<double> grad_weight(g.weight.size()), grad_bias(g.bias.size());
  for (std::int64_t t = 0; t < g.tokens; ++t) {
    std::vector<double> logits;
    for (std::int64_t e = 0; e < g.count; ++e) {
      double sum = at(g.bias, e);
      for (std::int64_t i = 0; i < g.hidden; ++i)
        sum += at(g.states, t * g.hidden + i) * at(g.weight, e * g.hidden + i);
      logits.push_back(sum);
    }
    const double highest = *std::max_element(logits.begin(), logits.end());
    double total = 0.0, below = 0.0;
    for (const double logit : logits) {
      total += std::exp(logit - highest);
      below += logit - highest;
    }
    ASSERT_NEAR(at(g.greatest, t), highest, 1e-5);
    ASSERT_NEAR(at(g.exponentials, t), total, 1e-5 * total);
    ASSERT_NEAR(at(g.differences, t), below, 1e-5 * -below + 1e-5);
    std::vector<double> grad_state(static_cast<std::size_t>(g.hidden));
    for (std::int64_t e = 0; e < g.count; ++e) {
      const auto entry = static_cast<std::size_t>(e);
      double gradient = std::exp(logits[entry] - highest) / total - static_cast<double>(Group<Element>::kOffset);
      if (e == g.labels[static_cast<std::size_t>(t)]) gradient -= static_cast<double>(Group<Element>::kLabelShare);
      grad_bias[entry] += gradient;
      for (std::int64_t i = 0; i < g.hidden; ++i) {
        grad_state[static_cast<std::size_t>(i)] += gradient * at(g.weight, e * g.hidden + i);
        grad_weight[static_cast<std::size_t>(e * g.hidden + i)] += gradient * at(g.states, t * g.hidden + i);
      }
    }
    for (std::int64_t i = 0; i < g.hidden; ++i)
      ASSERT_NEAR(at(g.grad_states, t * g.hidden + i), grad_state[static_cast<std::size_t>(i)], grad_state_near);
  }
  for (std::size_t i = 0; i < grad_weight.size(); ++i) ASSERT_NEAR(g.grad_weight[i], grad_weight[i], near);
  for (std::size_t e = 0; e < grad_bias.size(); ++e) ASSERT_NEAR(g.grad_bias[e], grad_bias[e], 1e-5);
}

template <typename Element>
class CpuCrossEntropy : public testing::Test {};
using Elements = testing::Types<float, BFloat16>;
TYPED_TEST_SUITE(CpuCrossEntropy, Elements);

TYPED_TEST(CpuCrossEntropy, IsTheSumInDouble) {
  // bfloat16 wants an even hidden size.
  const std::int64_t odd = std::is_same_v<TypeParam, float> ? 1 : 0;
  for (const Vectors vectors : all_vectors()) {
    for (const auto& [tokens, hidden, count] : std::vector<std::array<std::int64_t, 3>>{
             {64, 64, 192}, {1, 2 + odd, 5}, {37, 70, 101}, {64, 128 + odd, 300}}) {
      Group<TypeParam> group{tokens, hidden, count};
      group.run(vectors);
      expect_right(group);
    }
  }
}

TYPED_TEST(CpuCrossEntropy, ATokenIsTheSameWhateverElseIsThere) {
  Group<TypeParam> many{50, 70, 200}, few{9, 70, 200};
  many.run(best_vectors());
  few.states.assign(many.states.begin(), many.states.begin() + 9 * 70);
  few.run(best_vectors());
  for (std::size_t t = 0; t < 9; ++t) {
    EXPECT_EQ(few.exponentials[t], many.exponentials[t]);
    EXPECT_EQ(few.differences[t], many.differences[t]);
  }
  const std::vector<float> of_few = floats_of(few.grad_states), of_many = floats_of(many.grad_states);
  EXPECT_TRUE(std::equal(of_few.begin(), of_few.end(), of_many.begin()));
}

TYPED_TEST(CpuCrossEntropy, GradientsOfGroupsAddUp) {
  Group<TypeParam> group{20, 30, 110};
  group.run(best_vectors());
  const std::vector<float> once = group.grad_weight, bias_once = group.grad_bias;
  group.exponentials.assign(kPanel, 0.0f);
  group.differences.assign(kPanel, 0.0f);
  group.run(best_vectors(), /*continues=*/true);
  for (std::size_t i = 0; i < once.size(); ++i) ASSERT_NEAR(group.grad_weight[i], 2.0f * once[i], 1e-5);
  for (std::size_t e = 0; e < bias_once.size(); ++e) ASSERT_NEAR(group.grad_bias[e], 2.0f * bias_once[e], 1e-5);
}

TYPED_TEST(CpuCrossEntropy, NanAndInfinityShow) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Group<TypeParam> group{4, 8, 100};
    from_float(bad, group.bias[55]);
    group.run(best_vectors());
    for (const float sum : group.exponentials) EXPECT_TRUE(std::isnan(sum));
    for (const float gradient : floats_of(group.grad_states)) EXPECT_TRUE(std::isnan(gradient));
  }
}

}  // namespace
}  // namespace polymoe::kernels
