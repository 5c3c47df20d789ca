#include "polymoe/config/effects.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "polymoe/base/remarks.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/run_options.h"

namespace polymoe {
namespace {

/// Keys that mean nothing while `holds`.
struct Rule {
  bool holds;
  std::vector<std::string> keys;      // "cluster." stands for all of a section
  std::vector<std::string> switches;  // keys that make it so
  std::string says;                   // behind the key
  bool serves_others = false;         // other subcommands read the keys from the same file
};

// Keys on the command line have no line.
bool is_from_file(const Where& where) { return where.line > 0; }

bool names_task(const std::vector<std::string>& items, const std::string& task) {
  return std::any_of(items.begin(), items.end(), [&](const auto& item) { return item.starts_with(task + "="); });
}

// The first rule that holds for a key is told.
std::vector<Rule> model_rules(const MoeOptions& moe) {
  return {
      {moe.experts == 0, {"model.moe."}, {"model.moe.experts"}, "has no effect: model.moe.experts is 0"},
      {moe.capacity == CapacityKind::kDropless,
       {"model.moe.capacity-factor", "model.moe.final-capacity-factor", "model.moe.capacity-updates",
        "model.moe.eval-capacity-factor", "model.moe.min-capacity", "model.moe.random-token-selection"},
       {"model.moe.capacity"},
       "has no effect: model.moe.capacity is dropless"},
      {moe.final_capacity_factor == moe.capacity_factor,
       {"model.moe.final-capacity-factor", "model.moe.capacity-updates"},
       {"model.moe.capacity-factor", "model.moe.final-capacity-factor"},
       "has no effect: model.moe.capacity-factor is model.moe.final-capacity-factor from the start"},
      {moe.router != RouterKind::kTokenChoice,
       {"model.moe.balance-loss", "model.moe.balance-scope"},
       {"model.moe.router"},
       "has no effect: model.moe.router is " + word_of(moe.router) + ", which balances by itself"},
      {moe.router != RouterKind::kSigmoid,
       {"model.moe.bias-rate"},
       {"model.moe.router"},
       "has no effect: model.moe.router is " + word_of(moe.router)},
      {moe.router == RouterKind::kExpertChoice,
       {"model.moe.random-token-selection", "model.moe.normalize-gates"},
       {"model.moe.router"},
       "has no effect: model.moe.router is expert-choice"},
      {moe.balance_loss == 0,
       {"model.moe.balance-scope"},
       {"model.moe.balance-loss"},
       "has no effect: model.moe.balance-loss is 0"},
      {moe.router != RouterKind::kTokenChoice,
       {"model.moe.second-expert"},
       {"model.moe.router"},
       "has no effect: model.moe.router is " + word_of(moe.router)},
      {moe.top_k != 2,
       {"model.moe.second-expert"},
       {"model.moe.top-k"},
       fmt::format("has no effect: model.moe.top-k is {}", moe.top_k)},
      {moe.top_k == 1, {"model.moe.normalize-gates"}, {"model.moe.top-k"}, "has no effect: model.moe.top-k is 1"},
      {moe.experts == 1 && moe.experts_per_layer.empty(),
       {"model.moe.balance-loss"},
       {"model.moe.experts"},
       "has no effect: with one expert there is no choice"},
  };
}

std::vector<Rule> data_rules(const DataOptions& data) {
  const std::vector<std::string> noise{"data.mask-ratio", "data.mask-span", "data.delete-ratio",
                                       "data.shuffle-distance"};
  return {
      {names_task(data.task_schedule, "translation"),
       {"data.translation-weight"},
       {"data.task-schedule"},
       "has no effect: data.task-schedule has weights of translation"},
      {names_task(data.task_schedule, "denoising"),
       {"data.denoising-weight"},
       {"data.task-schedule"},
       "has no effect: data.task-schedule has weights of denoising"},
      {data.denoising_weight == 0 && !names_task(data.task_schedule, "denoising"),
       noise,
       {"data.denoising-weight", "data.task-schedule"},
       "has no effect: data.denoising-weight is 0"},
      {data.mask_ratio == 0, {"data.mask-span"}, {"data.mask-ratio"}, "has no effect: data.mask-ratio is 0"},
  };
}

std::vector<Rule> train_rules(const RunOptions& o) {
  const bool trains = o.train.max_updates > 0;
  const bool stays_in_warmup = trains && o.train.max_updates < o.optimizer.warmup_updates;
  return {
      {o.train.precision != NumberFormat::kFloat16,
       {"train.loss-scale", "train.loss-scale-window"},
       {"train.precision"},
       "has no effect: train.precision is not float16"},
      {o.train.precision == NumberFormat::kFloat16,
       {"train.max-skipped"},
       {"train.precision"},
       "has no effect: in float16 the loss scale ends training where no gradient is finite"},
      {o.train.device == DeviceKind::kCpu,
       {"train.deterministic"},
       {"train.device"},
       "has no effect: train.device is cpu, which always is"},
      {trains && o.optimizer.learning_rate == 0, {"optimizer.learning-rate"}, {}, "is 0: no update changes the model"},
      {stays_in_warmup,
       {"optimizer.warmup-updates"},
       {"train.max-updates"},
       "exceeds train.max-updates: the peak learning rate is never reached"},
      {stays_in_warmup,
       {"optimizer.schedule", "optimizer.min-learning-rate"},
       {"train.max-updates", "optimizer.warmup-updates"},
       "has no effect: optimizer.warmup-updates exceeds train.max-updates"},
      {o.optimizer.schedule == Schedule::kInverseSqrt || o.optimizer.schedule == Schedule::kConstant,
       {"optimizer.min-learning-rate"},
       {"optimizer.schedule"},
       "has no effect: optimizer.schedule is " + word_of(o.optimizer.schedule)},
      {true,
       {"decode.beam-size"},
       {},
       "has no effect on training: validation takes train.valid-beam-size",
       /*serves_others=*/true},
      {true,
       {"decode.n-best", "decode.max-tokens", "decode.protect", "decode.split-sentences", "decode.temperature",
        "decode.top-k", "decode.top-p", "decode.seed"},
       {},
       "has no effect on training",
       /*serves_others=*/true},
      {o.train.valid_beam_size == 0,
       {"decode."},
       {"train.valid-beam-size"},
       "has no effect: train.valid-beam-size is 0",
       /*serves_others=*/true},
  };
}

std::vector<Rule> parallel_rules(const RunOptions& o) {
  const MoeOptions& moe = o.model.moe;
  const OffloadOptions& offload = o.offload;
  return {
      {moe.experts == 0,
       {"parallel.expert-slicing", "parallel.all-to-all", "parallel.exchange-chunks"},
       {"model.moe.experts"},
       "has no effect: model.moe.experts is 0"},
      {o.parallel.expert == 1,
       {"parallel.all-to-all", "parallel.exchange-chunks"},
       {"parallel.expert"},
       "has no effect: parallel.expert is 1"},
      {moe.experts == o.parallel.expert && moe.experts_per_layer.empty(),
       {"parallel.exchange-chunks"},
       {"parallel.expert", "model.moe.experts"},
       "has no effect: each process has one expert"},
      {o.parallel.tensor == 1, {"parallel.expert-slicing"}, {"parallel.tensor"}, "has no effect: parallel.tensor is 1"},
      {offload.optimizer != Tier::kFile && offload.gradients != Tier::kFile && offload.parameters != Tier::kFile,
       {"offload.folder"},
       {"offload.optimizer", "offload.gradients", "offload.parameters"},
       "has no effect: nothing in offload.* is file"},
  };
}

std::vector<Rule> translation_rules(const DecodeOptions& decode) {
  return {
      {decode.temperature == 0,
       {"decode.seed"},
       {"decode.temperature"},
       "has no effect: decode.temperature is 0, so nothing is drawn"},
      {decode.temperature > 0,
       {"decode.beam-size"},
       {"decode.temperature"},
       "has no effect: with decode.temperature above 0 tokens are drawn, not searched"},
  };
}

std::vector<Rule> score_rules() {
  constexpr bool kServesOthers = true;
  return {
      {true, {"decode.length-penalty"}, {}, "has no effect without --normalized", kServesOthers},
      {true, {"decode."}, {}, "has no effect on scores", kServesOthers},
  };
}

bool concerns(const Rule& rule, const std::string& key) {
  return std::any_of(rule.keys.begin(), rule.keys.end(), [&](const std::string& named) {
    return named.ends_with('.') ? key.starts_with(named) : key == named;
  });
}

// A file may serve several runs: what it says of a part that the command line switches off is no slip.
bool is_excused(const Rule& rule, const Where& where, const GivenKeys& given) {
  if (!is_from_file(where)) return false;
  return rule.serves_others || std::any_of(rule.switches.begin(), rule.switches.end(), [&](const std::string& key) {
           const auto found = given.find(key);
           return found != given.end() && !is_from_file(found->second);
         });
}

std::vector<Ineffective> find_ineffective(const std::vector<std::vector<Rule>>& parts, const RunOptions& options,
                                          const GivenKeys& given) {
  std::vector<Rule> rules;
  for (const std::vector<Rule>& part : parts) {
    std::copy_if(part.begin(), part.end(), std::back_inserter(rules), [](const Rule& rule) { return rule.holds; });
  }
  const std::map<std::string, std::string> values = values_of(options), defaults = values_of(RunOptions{});
  std::vector<Ineffective> found;
  for (const auto& option : given) {
    const auto& [key, where] = option;
    const auto value = values.find(key);
    if (value == values.end() || value->second == defaults.at(key)) continue;  // not of a run: the planner's
    const auto rule =
        std::find_if(rules.begin(), rules.end(), [&](const Rule& r) { return concerns(r, option.first); });
    if (rule == rules.end() || is_excused(*rule, where, given)) continue;
    found.push_back({key, key + " " + rule->says, where});
  }
  return found;
}

}  // namespace

std::vector<Ineffective> without_effect(const RunOptions& options, const GivenKeys& given) {
  return find_ineffective(
      {model_rules(options.model.moe), data_rules(options.data), train_rules(options), parallel_rules(options)},
      options, given);
}

std::vector<Ineffective> without_effect_on_translations(const RunOptions& options, const GivenKeys& given) {
  return find_ineffective({translation_rules(options.decode)}, options, given);
}

std::vector<Ineffective> without_effect_on_scores(const RunOptions& options, GivenKeys given, bool normalized) {
  given.erase("decode.max-tokens");
  if (normalized) given.erase("decode.length-penalty");
  return find_ineffective({score_rules()}, options, given);
}

void remark_without_effect(const std::vector<Ineffective>& found) {
  for (const Ineffective& option : found) remark(option.message, option.where);
}

}  // namespace polymoe
