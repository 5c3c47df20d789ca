#include "polymoe/config/moe_layers.h"

#include <gtest/gtest.h>

namespace polymoe {
namespace {

ModelOptions six_and_four_layers() {
  ModelOptions model;
  model.encoder_layers = 6;
  model.decoder_layers = 4;
  model.moe.experts = 8;
  return model;
}

std::vector<std::string> texts(const std::vector<MoeLayerSize>& layers) {
  std::vector<std::string> result;
  for (const MoeLayerSize& layer : layers) result.push_back(layer.name + " " + std::to_string(layer.experts));
  return result;
}

TEST(MoeLayers, AreEveryNthOfTheSidesThatHaveThem) {
  ModelOptions model = six_and_four_layers();
  EXPECT_EQ(texts(moe_layers(model)),
            (std::vector<std::string>{"encoder.layers.1 8", "encoder.layers.3 8", "encoder.layers.5 8",
                                      "decoder.layers.1 8", "decoder.layers.3 8"}));
  model.moe.side = MoeSide::kDecoder;
  model.moe.every = 3;
  EXPECT_EQ(texts(moe_layers(model)), std::vector<std::string>{"decoder.layers.2 8"});
  model.moe.experts = 0;
  EXPECT_TRUE(moe_layers(model).empty());
}

TEST(MoeLayers, MayHaveDifferentNumbersOfExperts) {
  ModelOptions model = six_and_four_layers();
  set_experts(model, {1, 2, 3, 4, 5});
  EXPECT_EQ(model.moe.experts, 5);
  EXPECT_EQ(experts_in_layer(model, "encoder", 3), 2);
  EXPECT_EQ(experts_in_layer(model, "decoder", 3), 5);
  EXPECT_EQ(experts_in_layer(model, "decoder", 0), 0);
  set_experts(model, {3, 3, 3, 3, 3});
  EXPECT_EQ(model.moe.experts, 3);
  EXPECT_TRUE(model.moe.experts_per_layer.empty()) << "equal numbers need no list";
}

}  // namespace
}  // namespace polymoe
