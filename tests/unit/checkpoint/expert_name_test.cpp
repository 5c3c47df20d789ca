#include "polymoe/checkpoint/expert_name.h"

#include <gtest/gtest.h>

namespace polymoe {
namespace {

TEST(ExpertName, TakesNamesApartAndPutsThemTogether) {
  const std::string name = "first_moment/encoder.layers.1.feed_forward.moe.experts.13.up_weight";
  const auto expert = parse_expert_name(name);
  ASSERT_TRUE(expert.has_value());
  EXPECT_EQ(expert->layer, "first_moment/encoder.layers.1.feed_forward.moe");
  EXPECT_EQ(expert->expert, 13);
  EXPECT_EQ(expert->part, "up_weight");
  EXPECT_EQ(expert->text(), name);
}

TEST(ExpertName, IsNoneOfOtherTensors) {
  for (const char* name :
       {"embedding", "a.moe.gate.weight", "a.experts.", "a.experts.x.up", "a.experts.3", "a.experts.-1.up",
        "a.experts.03.up", "a.experts.99999999999999999999.up", "a.shared_experts.1.up"}) {
    EXPECT_FALSE(parse_expert_name(name).has_value()) << name;
  }
}

TEST(ExpertName, KnowsTheGateOfALayer) {
  EXPECT_EQ(layer_of_gate("a.moe.gate.weight"), "a.moe");
  EXPECT_EQ(layer_of_gate("a.moe.gate.bias"), "a.moe");  // what balances its choices
  EXPECT_FALSE(layer_of_gate("a.moe.gate.scale").has_value());
  EXPECT_EQ(gate_name("a.moe"), "a.moe.gate.weight");
}

}  // namespace
}  // namespace polymoe
