#include "polymoe/checkpoint/model_checkpoint.h"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/comm/communicator.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/sections.h"
#include "polymoe/parallel/parallel_model.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/temporary_folder.h"
#include "unit/surgery/models.h"

namespace polymoe {
namespace {

using ::testing::HasSubstr;

// Its shapes are those of a model that cannot be.
TEST(ModelCheckpoint, AConfigurationAtOddsIsRefused) {
  const testing::TemporaryFolder folder;
  RunOptions options = testing::surgery_options(2);
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  const ParallelModel model(options, *alone);
  options.model.moe.top_k = 3;
  CheckpointWriter writer(folder / "model");
  add_model(writer, model);
  writer.commit({{"update", 1}, {"config", dump_yaml(sections_of(options))}});
  const std::string said = testing::error_text([&] { testing::loss_of_checkpoint(folder / "model"); });
  EXPECT_THAT(said, HasSubstr((folder / "model/index.json: ").string()));
  EXPECT_THAT(said, HasSubstr("model.moe.top-k"));
}

}  // namespace
}  // namespace polymoe
