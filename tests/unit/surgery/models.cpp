#include "unit/surgery/models.h"
#include "polymoe/config/sections.h"

#include <nlohmann/json.hpp>

#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/config/describe.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/train/step.h"
#include "unit/parallel/distributed_training.h"

namespace polymoe::testing {

RunOptions surgery_options(std::int64_t experts) {
  RunOptions options = tiny_run();
  options.model.dropout = options.model.attention_dropout = options.model.activation_dropout = 0.0;
  options.model.moe.experts = experts;
  options.model.moe.capacity = CapacityKind::kDropless;
  options.data.max_length = 16;
  return options;
}

void write_model(const std::filesystem::path& path, RunOptions options, std::int64_t seed, const Extras& extras) {
  options.train.seed = seed;
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  ParallelModel model(options, *alone);
  CheckpointWriter writer(path);
  add_model(writer, model);
  if (extras.optimizer) {
    for (ParameterUnit& unit : model.store.units()) {
      unit.first_moments.fill_(0.25 * static_cast<double>(seed));
      unit.second_moments.fill_(0.5 * static_cast<double>(seed));
    }
    add_optimizer(writer, model);
  }
  if (!extras.vocabulary.empty()) writer.add_file("vocab.model", extras.vocabulary);
  writer.commit({{"update", 100 + seed}, {"adam_steps", extras.steps}, {"config", dump_yaml(sections_of(options))}});
}

double loss_of_checkpoint(const std::filesystem::path& path) {
  Model model = load_model(Checkpoint::open(path), at::kFloat, at::kCPU);
  TokenLoss sum;
  for (std::int64_t i = 0; i < 4; ++i) {
    for (const auto& [task, loss] : evaluate_loss(model, tiny_batch(0, i), 0.0, nullptr)) sum += loss;
  }
  return sum.loss / static_cast<double>(sum.tokens);
}

}  // namespace polymoe::testing
