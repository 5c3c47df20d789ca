#include "polymoe/config/validate.h"

#include <initializer_list>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/config/moe_layers.h"
#include "polymoe/config/run_options.h"

namespace polymoe {
namespace {

/// Checks that options agree; a failure names the first of `keys`, and the place of the first that was given.
class Contradictions {
 public:
  explicit Contradictions(const GivenKeys& given) : given_(given) {}

  template <typename... Args>
  void operator()(bool agree, std::initializer_list<const char*> keys, fmt::format_string<Args...> format,
                  Args&&... args) const {
    if (agree) return;
    Where where;
    for (const char* key : keys) {
      const auto found = given_.find(key);
      if (found == given_.end()) continue;
      where = found->second;
      break;
    }
    throw Error(fmt::format("{}: {}", *keys.begin(), fmt::format(format, std::forward<Args>(args)...)), where);
  }

 private:
  const GivenKeys& given_;
};

}  // namespace

void validate(const ModelOptions& m, const GivenKeys& given) {
  const Contradictions check(given);
  check(m.hidden % m.heads == 0, {"model.heads", "model.hidden"}, "{} heads do not divide model.hidden = {}", m.heads,
        m.hidden);
  check(m.hidden % 2 == 0, {"model.hidden"}, "{} is odd; sinusoidal positions need an even width", m.hidden);
  check(m.moe.experts > 0 || m.moe.experts_per_layer.empty(), {"model.moe.experts-per-layer"},
        "given, but model.moe.experts = 0 makes the model dense");
  if (m.moe.experts == 0) return;
  const bool expert_choice = m.moe.router == RouterKind::kExpertChoice;
  check(
      !expert_choice || m.moe.side == MoeSide::kEncoder, {"model.moe.side", "model.moe.router"},
      "{}, but with model.moe.router expert-choice an expert picks its tokens among all of a batch, and in the decoder "
      "would look ahead; use encoder",
      m.moe.side);
  check(!expert_choice || m.moe.capacity == CapacityKind::kLimited, {"model.moe.capacity", "model.moe.router"},
        "{}, but with model.moe.router expert-choice the capacity is what an expert picks; use limited",
        m.moe.capacity);
  check(m.moe.final_capacity_factor == 0 || m.moe.capacity_updates > 0,
        {"model.moe.capacity-updates", "model.moe.final-capacity-factor"},
        "0, but the capacity factor is to reach model.moe.final-capacity-factor = {}", m.moe.final_capacity_factor);
  check(m.moe.capacity_updates == 0 || m.moe.final_capacity_factor > 0,
        {"model.moe.final-capacity-factor", "model.moe.capacity-updates"},
        "not given, but model.moe.capacity-updates = {} lead to it", m.moe.capacity_updates);
  const bool in_encoder = m.moe.side != MoeSide::kDecoder && m.moe.every <= m.encoder_layers;
  const bool in_decoder = m.moe.side != MoeSide::kEncoder && m.moe.every <= m.decoder_layers;
  check(in_encoder || in_decoder, {"model.moe.every", "model.encoder-layers", "model.decoder-layers"},
        "no layer is the {}th of its side (model.encoder-layers = {}, model.decoder-layers = {}, model.moe.side = {}), "
        "so the model has no experts",
        m.moe.every, m.encoder_layers, m.decoder_layers, m.moe.side);
  const std::size_t listed = m.moe.experts_per_layer.size();
  const std::vector<MoeLayerSize> layers = moe_layers(m);
  check(listed == 0 || listed == layers.size(), {"model.moe.experts-per-layer"},
        "{} numbers, but the model has {} MoE layers", listed, layers.size());
  for (const MoeLayerSize& layer : layers) {
    check(m.moe.top_k <= layer.experts, {"model.moe.top-k", "model.moe.experts", "model.moe.experts-per-layer"},
          "{} experts for each token, but {} has {}", m.moe.top_k, layer.name, layer.experts);
  }
}

void validate(const DecodeOptions& d, const GivenKeys& given) {
  const Contradictions check(given);
  const bool samples = d.temperature > 0;
  check(samples || d.n_best <= d.beam_size, {"decode.n-best", "decode.beam-size"},
        "{} translations from a beam of decode.beam-size = {}; a beam of that many is wanted", d.n_best, d.beam_size);
  constexpr const char* kNoSampling = "{}, but decode.temperature is 0, which is beam search; set it, to 1 say";
  check(samples || d.top_k == 0, {"decode.top-k", "decode.temperature"}, kNoSampling, d.top_k);
  check(!samples || d.protect != Protection::kAlways, {"decode.protect", "decode.temperature"},
        "always, but samples (decode.temperature = {}) cannot be made to hold placeholders; leave one of them out",
        d.temperature);
  check(samples || d.top_p == 1, {"decode.top-p", "decode.temperature"}, kNoSampling, d.top_p);
}

void validate(const RunOptions& o, const GivenKeys& given) {
  validate(o.model, given);
  validate(o.decode, given);
  const Contradictions check(given);
  check(o.data.mask_ratio + o.data.delete_ratio <= 1, {"data.mask-ratio", "data.delete-ratio"},
        "{} and data.delete-ratio = {} exceed 1 together", o.data.mask_ratio, o.data.delete_ratio);
  check(o.data.max_length <= o.model.max_positions, {"data.max-length", "model.max-positions"},
        "{} tokens, but model.max-positions = {}", o.data.max_length, o.model.max_positions);
  check(o.data.max_length <= o.train.max_tokens, {"data.max-length", "train.max-tokens"},
        "{} tokens, but a micro-batch holds train.max-tokens = {}", o.data.max_length, o.train.max_tokens);
  check(!o.train.init_optimizer || !o.train.init.empty(), {"train.init-optimizer", "train.init"},
        "no checkpoint is named in train.init");
  check(o.train.valid_beam_size > 0 || o.train.keep_best == ValidMetric::kLoss,
        {"train.keep-best", "train.valid-beam-size"}, "{} cannot be measured with train.valid-beam-size = 0; use loss",
        o.train.keep_best);
  check(o.train.valid_freq > 0 || o.train.early_stopping == 0, {"train.early-stopping", "train.valid-freq"},
        "{} validations, but train.valid-freq = 0 makes none on the way", o.train.early_stopping);
  check(o.optimizer.schedule != Schedule::kInverseSqrt || o.optimizer.warmup_updates > 0,
        {"optimizer.warmup-updates", "optimizer.schedule"},
        "0, but the inverse-sqrt schedule starts from a warm-up; give at least 1");
  check(o.optimizer.min_learning_rate <= o.optimizer.learning_rate,
        {"optimizer.min-learning-rate", "optimizer.learning-rate"}, "{} exceeds optimizer.learning-rate = {}",
        o.optimizer.min_learning_rate, o.optimizer.learning_rate);
  check(o.offload.gradients == Tier::kDevice || o.parallel.zero_stage >= 2,
        {"offload.gradients", "parallel.zero-stage"},
        "{}, but with parallel.zero-stage = {} gradients stay on the device; use 2 or 3", o.offload.gradients,
        o.parallel.zero_stage);
  check(o.offload.parameters == Tier::kDevice || o.parallel.zero_stage == 3,
        {"offload.parameters", "parallel.zero-stage"},
        "{}, but with parallel.zero-stage = {} parameters stay on the device; use 3", o.offload.parameters,
        o.parallel.zero_stage);
  check(o.offload.activations == Tier::kDevice || o.parallel.recompute, {"offload.activations", "parallel.recompute"},
        "{}, but without parallel.recompute there are no inputs of blocks to move", o.offload.activations);
  const bool late = o.offload.delayed_update;
  check(!late || o.offload.optimizer != Tier::kDevice, {"offload.delayed-update", "offload.optimizer"},
        "Adam must work on the host meanwhile; use offload.optimizer host or file");
  check(!late || (o.offload.gradients != Tier::kFile && o.offload.parameters != Tier::kFile),
        {"offload.delayed-update", "offload.gradients", "offload.parameters"},
        "the file would serve backward and the update at a time; keep gradients and parameters on the host");
}

}  // namespace polymoe
