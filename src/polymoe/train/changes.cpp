#include "polymoe/train/changes.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "polymoe/base/error.h"
#include "polymoe/base/log.h"
#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/run_options.h"

namespace polymoe {
namespace {

template <typename Value>
void must_stay(const Checkpoint& checkpoint, const char* key, const Value& before, const Value& now) {
  if (before == now) return;
  throw Error(fmt::format("was trained with {} = {}, not {}", key, before, now), {checkpoint.path(), 0},
              "the same weights would compute something else; leave the key as it was");
}

template <typename Value>
void should_stay(const Checkpoint& checkpoint, const char* key, const Value& before, const Value& now) {
  if (before == now) return;
  remark(fmt::format("was trained with {} = {}; it is {} from here on", key, before, now), {checkpoint.path(), 0},
         "the experts meet other tokens than they learned from");
}

// The state by which a router follows its experts' load, and which checkpoints hold.
std::string_view state_of(const MoeOptions& options) {
  if (options.router == RouterKind::kSigmoid) return "bias";
  return options.balance_scope == BalanceScope::kUpdate ? "load" : "";
}

void router_state_must_stay(const Checkpoint& checkpoint, const MoeOptions& before, const MoeOptions& now) {
  if (state_of(before) == state_of(now)) return;
  throw Error(fmt::format("was trained with model.moe.router = {} and model.moe.balance-scope = {}, not {} and {}",
                          word_of(before.router), word_of(before.balance_scope), word_of(now.router),
                          word_of(now.balance_scope)),
              {checkpoint.path(), 0}, "they keep other state in the checkpoint; leave the keys as they were");
}

}  // namespace

void check_model_options(const Checkpoint& checkpoint, const ModelOptions& now) {
  const ModelOptions before = options_of(checkpoint).model;
  must_stay(checkpoint, "model.heads", before.heads, now.heads);
  must_stay(checkpoint, "model.activation", before.activation, now.activation);
  must_stay(checkpoint, "model.norm", before.norm, now.norm);
  must_stay(checkpoint, "model.embedding-scale", before.embedding_scale, now.embedding_scale);
  must_stay(checkpoint, "model.position-offset", before.position_offset, now.position_offset);
  must_stay(checkpoint, "model.position-frequencies", before.position_frequencies, now.position_frequencies);
  if (before.moe.experts == 0 || now.moe.experts == 0) return;
  must_stay(checkpoint, "model.moe.output-scale", before.moe.output_scale, now.moe.output_scale);
  router_state_must_stay(checkpoint, before.moe, now.moe);
  should_stay(checkpoint, "model.moe.router", word_of(before.moe.router), word_of(now.moe.router));
  should_stay(checkpoint, "model.moe.top-k", before.moe.top_k, now.moe.top_k);
  should_stay(checkpoint, "model.moe.normalize-gates", before.moe.normalize_gates, now.moe.normalize_gates);
}

void log_changes(const Checkpoint& checkpoint, const RunOptions& now) {
  // Where a run goes on, how long, and on what is not a change of the run.
  static const std::set<std::string> kBeside{"data.path", "train.output", "train.max-updates", "train.threads"};
  const std::map<std::string, std::string> before = values_of(options_of(checkpoint));
  std::vector<std::string> changes;
  for (const auto& [key, value] : values_of(now)) {
    if (before.at(key) != value && !kBeside.contains(key)) {
      changes.push_back(fmt::format("{} {} (before: {})", key, value, before.at(key)));
    }
  }
  if (!changes.empty()) log_info("changed since {}: {}", checkpoint.path().string(), fmt::join(changes, ", "));
}

}  // namespace polymoe
