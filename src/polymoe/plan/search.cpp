#include "polymoe/plan/search.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

constexpr double kGigabyte = 1e9;

struct Place {
  Tier optimizer;
  Tier gradients;
  Tier parameters;
};
constexpr Place kDevice{Tier::kDevice, Tier::kDevice, Tier::kDevice};
constexpr Place kHost{Tier::kHost, Tier::kHost, Tier::kHost};
constexpr Place kFile{Tier::kFile, Tier::kFile, Tier::kFile};

// What a stage lets move.
void set_place(PlannerOptions& options, const Place& place) {
  const std::int64_t stage = options.parallel.zero_stage;
  options.offload.optimizer = place.optimizer;
  options.offload.gradients = stage >= 2 ? place.gradients : Tier::kDevice;
  options.offload.parameters = stage >= 3 ? place.parameters : Tier::kDevice;
  if (!options.parallel.recompute) options.offload.activations = Tier::kDevice;
  if (place.optimizer == Tier::kDevice || place.gradients == Tier::kFile) {
    options.offload.delayed_update = false;
  }
}

std::vector<std::int64_t> divisors(std::int64_t number) {
  std::vector<std::int64_t> result;
  for (std::int64_t i = 1; i <= number; ++i) {
    if (number % i == 0) result.push_back(i);
  }
  return result;
}

bool is_allowed(const PlannerOptions& options) {
  try {
    resolve_degrees(options.parallel, options.model, options.cluster.devices);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void judge(Plan& plan) {
  const ClusterOptions& cluster = plan.options.cluster;
  const double on_node = processes_of_node(cluster);
  const bool one_memory = cluster.device_memory == 0;
  const double device = one_memory ? cluster.host_memory / on_node : cluster.device_memory;
  plan.needed = one_memory ? plan.memory.together() : plan.memory.device();
  plan.available = static_cast<std::int64_t>((device - cluster.reserved_memory) * kGigabyte);
  const auto host = one_memory ? 0.0 : static_cast<double>(plan.memory.host_peak());
  const auto disk = static_cast<double>(plan.memory.disk);
  plan.fits = plan.needed <= plan.available && host * on_node <= cluster.host_memory * kGigabyte &&
              disk * on_node <= cluster.disk * kGigabyte;
}

Plan plan_with(const PlannerOptions& options) {
  Plan plan;
  plan.options = options;
  plan.degrees = resolve_degrees(options.parallel, options.model, options.cluster.devices);
  plan.options.parallel.data = plan.degrees.data;
  const ModelShape shape = model_shape(plan.options, plan.degrees);
  plan.parameters = shape.parameters;
  plan.memory = plan_memory(plan.options, plan.degrees, shape);
  plan.time = plan_step_time(plan.options, plan.degrees, shape);
  judge(plan);
  return plan;
}

PlannerOptions with(PlannerOptions options, std::int64_t expert, std::int64_t tensor, std::int64_t stage,
                    bool recompute, const Place& place) {
  options.parallel.data = 0;
  options.parallel.expert = expert;
  options.parallel.tensor = tensor;
  options.parallel.zero_stage = stage;
  options.parallel.recompute = recompute;
  set_place(options, place);
  return options;
}

// Growing -----------------------------------------------------------------------------------------------------------

// A model of the family, `times` as large.
PlannerOptions grown(PlannerOptions options, std::int64_t times) {
  if (options.model.moe.experts > 0) {
    options.model.moe.experts = options.parallel.expert * times;
    options.model.moe.experts_per_layer.clear();
  } else {
    options.model.encoder_layers *= times;
    options.model.decoder_layers *= times;
  }
  return options;
}

struct Largest {
  Plan plan;
  bool ended_by_search = false;
};

std::optional<Largest> largest_that_fits(const PlannerOptions& options) {
  // A plan takes time for each layer.
  const std::int64_t most = options.model.moe.experts > 0 ? std::int64_t{1} << 20 : 256;
  const auto plan = [&](std::int64_t times) { return plan_with(grown(options, times)); };
  Largest best{plan(1)};
  if (!best.plan.fits) return std::nullopt;
  std::int64_t low = 1, high = 2;
  for (; high <= most; high *= 2) {
    Plan next = plan(high);
    if (!next.fits) break;
    low = high;
    best.plan = std::move(next);
  }
  best.ended_by_search = high > most;
  while (!best.ended_by_search && high - low > std::max<std::int64_t>(1, low / 64)) {
    const std::int64_t middle = (low + high) / 2;
    Plan next = plan(middle);
    (next.fits ? low : high) = middle;
    if (next.fits) best.plan = std::move(next);
  }
  return best;
}

struct Mode {
  const char* name;
  bool slices;
  std::int64_t stage;
  Place place;
};
constexpr Mode kModes[] = {{"D", false, 0, kDevice},  {"Z", false, 3, kDevice},    {"D+M", true, 0, kDevice},
                           {"Z+M", true, 3, kDevice}, {"Z-Off+M", true, 3, kHost}, {"Z-Off+M, files", true, 3, kFile}};

std::optional<Largest> largest_in_mode(const PlannerOptions& options, const Mode& mode) {
  const ClusterOptions& cluster = options.cluster;
  if (mode.place.optimizer == kFile.optimizer && cluster.disk == 0) return std::nullopt;
  std::optional<Largest> best;
  for (const std::int64_t tensor : divisors(std::min(cluster.node_devices, cluster.devices))) {
    if (tensor > 1 && !mode.slices) continue;
    const std::int64_t expert = options.model.moe.experts > 0 ? cluster.devices / tensor : 1;
    const PlannerOptions family = with(options, expert, tensor, mode.stage, true, mode.place);
    if (!is_allowed(grown(family, 1))) continue;
    std::optional<Largest> found = largest_that_fits(family);
    if (found && (!best || found->plan.parameters > best->plan.parameters)) best = std::move(found);
  }
  return best;
}

// In these degrees, all stages, places of state, and recomputation.
void add_plans(const PlannerOptions& options, std::int64_t expert, std::int64_t tensor, std::vector<Plan>& plans) {
  for (std::int64_t stage = 0; stage <= 3; ++stage) {
    for (const Place& place : {kDevice, Place{Tier::kHost, Tier::kDevice, Tier::kDevice}, kHost, kFile}) {
      const bool moves_more = place.gradients != Tier::kDevice;
      if (moves_more && stage < 2) continue;  // there is nothing more to move
      if (place.optimizer == kFile.optimizer && options.cluster.disk == 0) continue;
      for (const bool recompute : {false, true}) {
        plans.push_back(plan_with(with(options, expert, tensor, stage, recompute, place)));
      }
    }
  }
}

}  // namespace

std::string Plan::name() const {
  std::string text;
  const auto add = [&](const char* letter, std::int64_t degree) {
    if (degree > 1) text += fmt::format("{}{}{}", text.empty() ? "" : " ", letter, degree);
  };
  add("E", degrees.expert);
  add("D", degrees.data);
  add("M", degrees.tensor);
  if (text.empty()) text.push_back('1');
  if (options.parallel.zero_stage > 0) text += fmt::format(" Z{}", options.parallel.zero_stage);
  const OffloadOptions& off = options.offload;
  if (off.optimizer != Tier::kDevice) {
    const bool more = off.gradients != Tier::kDevice || off.parameters != Tier::kDevice;
    text += fmt::format(" Off({}{})", more ? "" : "optimizer ", off.optimizer);
  }
  if (options.parallel.recompute) text += " recompute";
  return text;
}

Plan plan_of(const PlannerOptions& options) { return plan_with(options); }

std::vector<Plan> rank_plans(const PlannerOptions& options) {
  std::vector<Plan> plans;
  const std::int64_t devices = options.cluster.devices;
  for (const std::int64_t tensor : divisors(std::min(options.cluster.node_devices, devices))) {  // within a node
    for (const std::int64_t expert : divisors(devices)) {
      if (!is_allowed(with(options, expert, tensor, 0, false, kDevice))) continue;
      add_plans(options, expert, tensor, plans);
    }
  }
  std::stable_sort(plans.begin(), plans.end(), [](const Plan& a, const Plan& b) {
    if (a.fits != b.fits) return a.fits;
    return a.fits ? a.time.total() < b.time.total() : a.needed < b.needed;
  });
  return plans;
}

std::vector<LargestModel> largest_models(const PlannerOptions& options) {
  std::vector<LargestModel> found;
  for (const Mode& mode : kModes) {
    std::optional<Largest> largest = largest_in_mode(options, mode);
    if (!largest) continue;
    const char* experts = options.model.moe.experts > 0 ? "E+" : "";
    found.push_back({fmt::format("{}{}", experts, mode.name), std::move(largest->plan), largest->ended_by_search});
  }
  return found;
}

}  // namespace polymoe
