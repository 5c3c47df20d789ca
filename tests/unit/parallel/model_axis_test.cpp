#include "polymoe/parallel/model_axis.h"

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "unit/parallel/distributed_training.h"

namespace polymoe {
namespace {

TEST(ModelAxisBytes, EverySlicedProductSumsItsTokensOnceInForwardOrBackward) {
  RunOptions options = testing::tiny_run();
  options.model.moe.experts = 0;
  options.parallel = {.data = 1, .tensor = 2};
  std::int64_t source = 0, target = 0;
  for (std::int64_t i = 0; i < options.train.micro_batches; ++i) {
    source += testing::tiny_batch(0, i).source_tokens();
    target += testing::tiny_batch(0, i).target_tokens();
  }
  const std::int64_t encoder = options.model.encoder_layers, decoder = options.model.decoder_layers;
  // Forward: embeddings; attention and feed-forward come out. Backward: they, and the projection, are gone into; the
  // keys and values of cross attention with the source's tokens.
  const std::int64_t rows = source * (1 + 4 * encoder + decoder) + target * (1 + 6 * decoder + 1);
  const std::int64_t losses = 4 * target;  // the highest logit and three sums over the vocabulary
  const testing::Outcome outcome = testing::train_in_threads(options, 1);
  for (const CollectiveCounts& counts : outcome.slices) {
    // Of B bytes an all-reduce between two sends B.
    EXPECT_EQ(counts[static_cast<std::size_t>(Collective::kAllReduce)].bytes,
              4 * (rows * options.model.hidden + losses));
    EXPECT_EQ(counts[static_cast<std::size_t>(Collective::kAllToAll)], CollectiveCount{});
    EXPECT_EQ(counts[static_cast<std::size_t>(Collective::kAllGather)], CollectiveCount{});
  }
}

}  // namespace
}  // namespace polymoe
