#include "polymoe/train/run_meta.h"

#include <nlohmann/json.hpp>

#include "polymoe/base/remarks.h"
#include "polymoe/config/run_options.h"

namespace polymoe {
namespace {

// Null where it never changes.
nlohmann::json to_json(const LossScale& scale) {
  if (!scale.is_dynamic()) return {};
  return {{"value", scale.state().value}, {"updates_without_overflow", scale.state().updates_without_overflow}};
}

// Null where nothing waits. The gradients that do are in the optimiser's part of the checkpoint.
nlohmann::json to_json(const DelayedUpdate::State& waiting) {
  if (!waiting.waits) return {};
  return {{"learning_rate", waiting.learning_rate},
          {"gradient_norm", waiting.gradient_norm},
          {"loss_scale", waiting.loss_scale}};
}

void restore_delayed_update(const nlohmann::json& waiting, const RunOptions& options, DelayedUpdate& delayed) {
  if (waiting.is_null()) return;
  if (!options.offload.delayed_update) {
    remark("the checkpoint's delayed update is dropped: offload.delayed-update is off now");
    return;
  }
  delayed.restore({true, waiting.at("learning_rate").get<double>(), waiting.at("gradient_norm").get<double>(),
                   waiting.at("loss_scale").get<double>()});
}

}  // namespace

nlohmann::json run_meta(const TrainState& train, const RunCounters& counters, const BatchStream& stream,
                        const std::string& config) {
  return {{"update", train.update},
          {"adam_steps", train.adam.steps()},
          {"seconds", counters.seconds},
          {"cpu_seconds", counters.cpu_seconds},
          {"warmup_seconds", counters.warmup_seconds},
          {"target_tokens", counters.target_tokens},
          {"skipped_updates", counters.skipped_updates},
          {"loss_scale", to_json(train.loss_scale)},
          {"delayed_update", to_json(train.delayed.state())},
          {"validations_without_best", counters.validations_without_best},
          {"validated_update", counters.validated_update},
          {"best", counters.best ? nlohmann::json(*counters.best) : nlohmann::json()},
          {"data", stream.state()},
          {"config", config}};
}

void restore_run(const nlohmann::json& meta, const RunOptions& options, TrainState& train, RunCounters& counters,
                 BatchStream& stream) {
  train.update = meta.at("update").get<std::int64_t>();
  train.adam.set_steps(meta.at("adam_steps").get<std::int64_t>());
  counters.seconds = meta.at("seconds").get<double>();
  counters.target_tokens = meta.at("target_tokens").get<std::int64_t>();
  counters.validations_without_best = meta.at("validations_without_best").get<std::int64_t>();
  if (!meta.at("best").is_null()) counters.best = meta.at("best").get<double>();
  stream.restore(meta.at("data"));
  // Older checkpoints lack these.
  counters.cpu_seconds = meta.value("cpu_seconds", 0.0);
  counters.warmup_seconds = meta.value("warmup_seconds", 0.0);
  counters.validated_update = meta.value("validated_update", std::int64_t{-1});
  counters.skipped_updates = meta.value("skipped_updates", std::int64_t{0});
  const nlohmann::json scale = meta.value("loss_scale", nlohmann::json());
  if (!scale.is_null() && train.loss_scale.is_dynamic()) {
    train.loss_scale.restore(
        {scale.at("value").get<double>(), scale.at("updates_without_overflow").get<std::int64_t>()});
  }
  restore_delayed_update(meta.value("delayed_update", nlohmann::json()), options, train.delayed);
}

}  // namespace polymoe
