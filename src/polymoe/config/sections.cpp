#include "polymoe/config/sections.h"

#include <utility>

#include "polymoe/config/planner_options.h"
#include "polymoe/config/presets.h"

namespace polymoe {
namespace {

Field number(std::string key, std::int64_t& target, std::string help, double low = 0, double high = kUnbounded) {
  return {std::move(key), &target, std::move(help), {}, low, high};
}
Field number(std::string key, double& target, std::string help, double low = 0, double high = kUnbounded) {
  return {std::move(key), &target, std::move(help), {}, low, high};
}
Field flag(std::string key, bool& target, std::string help) { return {std::move(key), &target, std::move(help), {}}; }
Field text(std::string key, std::string& target, std::string help) {
  return {std::move(key), &target, std::move(help), {}};
}
Field choice(std::string key, std::string& target, std::string help, std::vector<std::string> choices) {
  return {std::move(key), &target, std::move(help), std::move(choices)};
}
template <typename Enum>
Field choice(std::string key, Enum& target, std::string help, std::vector<std::string> choices = words_of<Enum>()) {
  return {std::move(key), EnumTarget::of(target), std::move(help), std::move(choices)};
}
Field list(std::string key, std::vector<std::string>& target, std::string help) {
  return {std::move(key), &target, std::move(help), {}};
}

Field list(std::string key, std::vector<std::int64_t>& target, std::string help, double low, double high) {
  return {std::move(key), &target, std::move(help), {}, low, high};
}

Section moe_section(MoeOptions& o) {
  return {
      "model.moe",
      "Mixture-of-Experts layers",
      {number("experts", o.experts, "experts in each MoE layer; 0 makes the model dense", 0, 65536),
       list("experts-per-layer", o.experts_per_layer,
            "experts of each MoE layer, the encoder's first, where they are not all model.moe.experts (pruned models)",
            1, 65536),
       number("every", o.every, "every n-th layer of a side is a MoE layer", 1, 1024),
       choice("side", o.side, "which side has MoE layers"),
       choice("router", o.router, "what decides which tokens go to which experts"),
       number("top-k", o.top_k, "experts that a token goes to; with expert-choice on average", 1, 65536),
       choice("capacity", o.capacity, "whether experts have a capacity limit"),
       number("capacity-factor", o.capacity_factor, "capacity in training, as a multiple of an even share", 0.01, 1e6),
       number("final-capacity-factor", o.final_capacity_factor,
              "factor that capacity-factor grows or shrinks to, in a straight line; 0: it stays", 0, 1e6),
       number("capacity-updates", o.capacity_updates, "updates until final-capacity-factor is reached", 0),
       number("eval-capacity-factor", o.eval_capacity_factor,
              "capacity in validation and `polymoe usage`; decoding has no limit", 0.01, 1e6),
       number("min-capacity", o.min_capacity, "smallest capacity of an expert, in tokens", 0),
       flag("random-token-selection", o.random_token_selection,
            "an expert over capacity keeps a random subset of its tokens, not the first ones"),
       choice("gate-noise", o.gate_noise,
              "noise on the gate while training: jitter U(0.99, 1.01) on its input, or "
              "Gumbel noise on its choice"),
       choice("second-expert", o.second_expert,
              "top-2 while training: all tokens go to the second best expert, or to a sampled one, or with a random "
              "chance of twice its probability"),
       number("balance-loss", o.balance_loss, "weight of the load-balance loss", 0, 1e6),
       choice("balance-scope", o.balance_scope,
              "tokens whose choices the balance loss counts: those of the micro-batch, or of the whole update before"),
       number("bias-rate", o.bias_rate,
              "sigmoid router: what an expert's bias changes by after each update, towards an even load", 0, 1),
       number("router-z-loss", o.router_z_loss, "weight of the router z-loss", 0, 1e6),
       flag("normalize-gates", o.normalize_gates, "with top-k above 1, the gate values of a token sum to one"),
       number("output-masking", o.output_masking,
              "probability, in training, that a token goes without its experts' output", 0, 0.999),
       number("output-scale", o.output_scale, "what the routed experts' output is multiplied by", 1e-6, 1e6),
       number("shared-experts", o.shared_experts,
              "experts that every token goes to, beside those that the gate chooses", 0, 1024)}};
}

Section model_section(ModelOptions& o) {
  std::vector<std::string> presets = preset_names();
  presets.insert(presets.begin(), "none");
  return {
      "model",
      "the encoder-decoder transformer",
      {choice("preset", o.preset, "a named set of sizes; keys given beside it win", presets),
       number("vocabulary", o.vocabulary, "entries of the vocabulary; 0 takes them from the vocabulary file", 0,
              1 << 24),
       number("hidden", o.hidden, "width of the model", 2, 1 << 20),
       number("ffn", o.ffn, "inner width of the feed-forward blocks", 1, 1 << 22),
       number("heads", o.heads, "attention heads", 1, 4096),
       number("encoder-layers", o.encoder_layers, "layers of the encoder", 1, 4096),
       number("decoder-layers", o.decoder_layers, "layers of the decoder", 1, 4096),
       choice("activation", o.activation, "activation of the feed-forward blocks"),
       choice("norm", o.norm, "layer norm before or after each block"),
       flag("embedding-scale", o.embedding_scale, "multiply embeddings by sqrt(hidden)"),
       choice("position-frequencies", o.position_frequencies,
              "sinusoids of place i of n have the frequency 10000^(-i/(n-1)), or 10000^(-i/n) as in Vaswani et al."),
       number("position-offset", o.position_offset, "position of the first token in the sinusoid table", 0, 1024),
       number("max-positions", o.max_positions, "longest sequence, in tokens", 1, 1 << 24),
       flag("logits-bias", o.logits_bias, "add a trained bias to the logits of the vocabulary"),
       number("dropout", o.dropout, "dropout after embeddings and blocks", 0, 0.999),
       number("attention-dropout", o.attention_dropout, "dropout on attention weights", 0, 0.999),
       number("activation-dropout", o.activation_dropout, "dropout after the activation", 0, 0.999)}};
}

Section data_section(DataOptions& o) {
  return {
      "data",
      "training data",
      {text("path", o.path, "folder made by `polymoe prepare`"),
       list("directions", o.directions, "translation directions such as en-de, en-*, *-*; none: all in the data"),
       list("valid-directions", o.valid_directions, "directions to validate; none: those of training"),
       number("temperature", o.temperature, "languages are drawn in proportion to size^(1/temperature)", 0.01, 1e6),
       number("translation-weight", o.translation_weight, "share of translation among the tasks", 0, 1e6),
       number("denoising-weight", o.denoising_weight, "share of denoising auto-encoding among the tasks", 0, 1e6),
       list("task-weights", o.task_weights, "shares of the data's other tasks, as TASK=WEIGHT; of those not named: 1"),
       list("task-schedule", o.task_schedule,
            "weights that change, as TASK=WEIGHT@EXAMPLES, after so many examples drawn; shares run straight between"),
       number("task-temperature", o.task_temperature,
              "weights of tasks are multiplied by examples^(1/temperature); 0: not", 0, 1e6),
       number("mask-ratio", o.mask_ratio, "denoising: share of the tokens that are masked", 0, 1),
       number("mask-span", o.mask_span, "denoising: mean length of a masked span, in tokens", 1, 1000),
       number("delete-ratio", o.delete_ratio, "denoising: share of the tokens that are deleted", 0, 1),
       number("shuffle-distance", o.shuffle_distance, "denoising: farthest move of a token, in places", 0, 1000),
       number("subword-dropout", o.subword_dropout,
              "chance that a token of training text is split into two shorter ones, and each of these again; 0: none",
              0, 1),
       number("max-length", o.max_length, "longer examples are left out, in tokens", 1, 1 << 24),
       number("bucket-examples", o.bucket_examples, "examples drawn at a time and batched by length", 1, 1 << 26)}};
}

Section train_section(TrainOptions& o) {
  return {
      "train",
      "training",
      {text("output", o.output, "folder for checkpoints, metrics and the report"),
       text("init", o.init, "checkpoint whose weights training starts from"),
       flag("init-optimizer", o.init_optimizer, "take the optimiser state of train.init too"),
       number("seed", o.seed, "seed of every random number", 0),
       number("max-tokens", o.max_tokens, "tokens of a micro-batch, source and target together, padding included", 1,
              1 << 26),
       number("micro-batches", o.micro_batches, "micro-batches of one update, over all processes", 1, 1 << 20),
       number("max-updates", o.max_updates, "updates after which training ends", 0),
       number("max-minutes", o.max_minutes, "minutes after which training ends; 0: no limit"),
       choice("precision", o.precision, "number format of weights and activations"),
       number("loss-scale", o.loss_scale,
              "float16: what the loss is multiplied by at first, so that gradients do not vanish", 1, 1e9),
       number("loss-scale-window", o.loss_scale_window,
              "float16: updates without an overflow after which the scale doubles; each overflow halves it", 1),
       choice("device", o.device, "where the model lives"),
       flag("deterministic", o.deterministic, "the same bits in every run on a GPU too, slower; a CPU always has them"),
       number("device-memory", o.device_memory, "GB of the device that a process may use; 0: all there is", 0, 1e6),
       number("host-memory", o.host_memory, "GB of the host that a process may use for offload.*; 0: all there is", 0,
              1e6),
       number("threads", o.threads, "CPU threads; 0: one for each core", 0, 4096),
       number("label-smoothing", o.label_smoothing, "probability spread over the vocabulary", 0, 0.999),
       number("ema", o.ema,
              "decay of the moving average of the weights, which validation and the best checkpoint then use; 0: none",
              0, 0.9999999),
       number("log-freq", o.log_freq, "updates between log lines", 1),
       number("save-freq", o.save_freq, "updates between checkpoints; 0: only the last", 0),
       number("keep-checkpoints", o.keep_checkpoints, "checkpoints kept, beside the best", 1),
       number("valid-freq", o.valid_freq, "updates between validations; 0: only the last", 0),
       number("valid-examples", o.valid_examples, "segments of each direction that a validation uses; 0: all", 0),
       number("valid-beam-size", o.valid_beam_size, "beam size while validating; 0: loss only", 0, 1024),
       choice("keep-best", o.keep_best, "measure by which the best checkpoint is kept"),
       number("early-stopping", o.early_stopping, "validations without a better one that end training; 0: never", 0),
       number("max-skipped", o.max_skipped,
              "updates in a row without a finite gradient after which training ends as diverged; 0: never; float16 has "
              "the loss scale instead",
              0),
       flag("verify", o.verify, "hold data and checkpoint against their checksums before training begins or goes on"),
       flag("tensorboard", o.tensorboard, "write TensorBoard event files")}};
}

Field renamed_from(std::string former_key, Field field) {
  field.former_key = std::move(former_key);
  return field;
}

Section parallel_section(ParallelOptions& o) {
  return {"parallel",
          "processes",
          {number("data", o.data, "copies of the model; 0: what the other degrees leave of the processes", 0, 1 << 20),
           number("expert", o.expert, "processes that the experts of a layer are spread over", 1, 1 << 20),
           renamed_from("model", number("tensor", o.tensor, "processes that every matrix is cut over (tensor parallel)",
                                        1, 1 << 20)),
           number("zero-stage", o.zero_stage,
                  "what copies share out: 1 optimiser state, 2 gradients too, 3 parameters too", 0, 3),
           flag("recompute", o.recompute, "keep only the inputs of blocks and compute the rest anew in backward"),
           choice("expert-slicing", o.expert_slicing, "experts where parallel.tensor > 1"),
           choice("all-to-all", o.all_to_all, "how tokens travel; hierarchical: within nodes first, then across"),
           number("exchange-chunks", o.exchange_chunks,
                  "the experts of a process compute in so many runs; tokens of the next travel meanwhile", 1, 65536),
           number("timeout", o.timeout, "seconds that a process waits for the others before all end", 1, 1e6),
           flag("rank-logs", o.rank_logs, "write the log of each process to train.output/logs")}};
}

Section offload_section(OffloadOptions& o) {
  return {"offload",
          "state in host memory and in files",
          {choice("optimizer", o.optimizer, "moments, and float32 master weights beside lower precision"),
           choice("gradients", o.gradients, "summed gradients; needs parallel.zero-stage 2 or 3"),
           choice("parameters", o.parameters, "parameters while no block needs them; needs parallel.zero-stage 3"),
           choice("activations", o.activations, "inputs of blocks until backward; needs parallel.recompute",
                  {"device", "host"}),
           text("folder", o.folder, "where files go, on a fast disk; none: train.output"),
           flag("delayed-update", o.delayed_update,
                "update with the gradients of the batch before, while those of the next are computed")}};
}

Section optimizer_section(OptimizerOptions& o) {
  return {"optimizer",
          "Adam and its schedule",
          {number("learning-rate", o.learning_rate, "peak learning rate; not given: 0.4 / model.hidden", 0, 1e6),
           choice("schedule", o.schedule, "how the rate falls after the warm-up"),
           number("warmup-updates", o.warmup_updates, "updates of linear warm-up", 0),
           number("min-learning-rate", o.min_learning_rate, "rate at the end of cosine and linear schedules", 0, 1e6),
           number("beta1", o.beta1, "decay of the first moment", 0, 0.999999),
           number("beta2", o.beta2, "decay of the second moment", 0, 0.99999999),
           number("epsilon", o.epsilon, "added to the root of the second moment", 0, 1),
           number("weight-decay", o.weight_decay, "decoupled weight decay (AdamW)", 0, 1),
           number("clip-norm", o.clip_norm, "largest norm of the gradient; 0: no clipping", 0, 1e6)}};
}

Section decode_section(DecodeOptions& o) {
  return {
      "decode",
      "beam search and sampling",
      {number("beam-size", o.beam_size, "hypotheses kept for each sentence", 1, 1024),
       number("length-penalty", o.length_penalty, "scores are divided by length^penalty", 0, 10),
       number("n-best", o.n_best, "translations printed for each sentence", 1, 1024),
       number("min-length", o.min_length, "fewest tokens of a translation, those that show nothing not counted", 0,
              1 << 20),
       number("max-length-factor", o.max_length_factor, "longest output = factor * source tokens + offset", 0, 100),
       number("max-length-offset", o.max_length_offset, "see max-length-factor", 1, 1 << 20),
       number("max-tokens", o.max_tokens, "source tokens of a batch, padding included", 1, 1 << 26),
       number("no-repeat-ngram", o.no_repeat_ngram,
              "no sequence of so many tokens comes twice in a translation, unless the source has it; 0: off", 0, 1024),
       number("repetition-penalty", o.repetition_penalty,
              "log probabilities of tokens that a translation has are multiplied by it; 1: off", 1, 100),
       choice("protect", o.protect,
              "where %s, {name}, <b> and addresses of a text come as they are, and as often, in its translation"),
       number("temperature", o.temperature,
              "tokens are drawn at random, log probabilities divided by it; 0: beam search", 0, 100),
       number("top-k", o.top_k, "sampling: only so many of the likeliest tokens are drawn; 0: all", 0, 1 << 24),
       number("top-p", o.top_p, "sampling: only the likeliest tokens that have this probability together", 0.0001, 1),
       number("seed", o.seed, "sampling: seed of the random numbers", 0),
       choice("split-sentences", o.split_sentences,
              "texts translated sentence by sentence and joined again: those longer than the examples of training, or "
              "all")}};
}

Section cluster_section(ClusterOptions& o) {
  return {"cluster",
          "the machines that `polymoe plan` plans for; the defaults are nodes of eight A100 with 40 GB",
          {number("devices", o.devices, "devices, one process on each", 1, 1 << 20),
           number("node-devices", o.node_devices, "devices of a node", 1, 1024),
           number("device-memory", o.device_memory, "GB of a device; 0: it uses its host's, as a CPU does", 0, 1e6),
           number("reserved-memory", o.reserved_memory, "GB of a device that programs take beside tensors", 0, 1e6),
           number("host-memory", o.host_memory, "GB of a node's host memory", 0, 1e9),
           number("disk", o.disk, "GB of a node's disk for offload.*: file", 0, 1e9),
           number("peak-tflops", o.peak_tflops, "TFLOP/s of a device at most, in train.precision", 1e-6, 1e6),
           number("efficiency", o.efficiency, "share of the peak that the model's matrix products reach", 0.001, 1),
           number("device-bandwidth", o.device_bandwidth, "GB/s of a device's memory", 1e-3, 1e9),
           number("host-bandwidth", o.host_bandwidth, "GB/s of a node's host memory", 1e-3, 1e9),
           number("link-bandwidth", o.link_bandwidth, "GB/s between a device and its host, each way", 1e-3, 1e9),
           number("node-bandwidth", o.node_bandwidth, "GB/s of a device to others of its node", 1e-3, 1e9),
           number("network-bandwidth", o.network_bandwidth, "GB/s of a device to other nodes", 1e-3, 1e9),
           number("disk-bandwidth", o.disk_bandwidth, "GB/s of a node's disk", 1e-3, 1e9)}};
}

}  // namespace

std::vector<Section> sections_of(RunOptions& o) {
  return {model_section(o.model),         moe_section(o.model.moe),     data_section(o.data),
          train_section(o.train),         parallel_section(o.parallel), offload_section(o.offload),
          optimizer_section(o.optimizer), decode_section(o.decode)};
}

std::vector<Section> sections_of(PlannerOptions& o) {
  std::vector<Section> sections = sections_of(static_cast<RunOptions&>(o));
  sections.push_back(cluster_section(o.cluster));
  return sections;
}

std::vector<Section> sections_of(DecodeOptions& o) { return {decode_section(o)}; }

}  // namespace polymoe
