#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/choices.h"
#include "config/field.h"

/// The options of every part of the system, with their defaults. Keys, help texts and ranges stand beside them in
/// options.cpp, one table for each struct; config files, `--help` and `--dump-config` come from those tables.
namespace polymoe {

/// Mixture-of-Experts layers. `experts` = 0 makes the model dense.
struct MoeOptions {
  std::int64_t experts = 0;
  std::vector<std::int64_t> experts_per_layer{};  // empty: `experts` in each MoE layer
  std::int64_t every = 2;
  std::string side = "both";  // both, encoder, decoder
  RouterKind router = RouterKind::kTokenChoice;
  std::int64_t top_k = 1;            // with expert choice on average
  std::string capacity = "limited";  // limited, dropless
  double capacity_factor = 1.0;
  double final_capacity_factor = 0.0;  // 0: capacity_factor throughout
  std::int64_t capacity_updates = 0;   // from capacity_factor to final_capacity_factor
  double eval_capacity_factor = 2.0;
  std::int64_t min_capacity = 4;
  bool random_token_selection = true;
  std::string gate_noise = "none";  // none, jitter, gumbel
  double balance_loss = 0.01;
  BalanceScope balance_scope = BalanceScope::kMicroBatch;
  double bias_rate = 0.001;  // of the sigmoid router
  double router_z_loss = 0.0;
  bool normalize_gates = true;
  double output_masking = 0.0;
  double output_scale = 1.0;
  std::int64_t shared_experts = 0;
};

/// The encoder-decoder transformer.
struct ModelOptions {
  std::string preset = "none";
  std::int64_t vocabulary = 0;  // 0: taken from the vocabulary file
  std::int64_t hidden = 512;
  std::int64_t ffn = 2048;
  std::int64_t heads = 8;
  std::int64_t encoder_layers = 6;
  std::int64_t decoder_layers = 6;
  std::string activation = "relu";  // relu, gelu, swish
  std::string norm = "pre";         // pre, post
  bool embedding_scale = true;
  std::string position_frequencies = "tensor2tensor";  // tensor2tensor, paper
  std::int64_t position_offset = 0;
  std::int64_t max_positions = 1024;
  bool logits_bias = false;
  double dropout = 0.1;
  double attention_dropout = 0.0;
  double activation_dropout = 0.0;
  MoeOptions moe;
};

/// What is trained on, and how examples are drawn.
struct DataOptions {
  std::string path;                           // folder made by `polymoe prepare`
  std::vector<std::string> directions;        // "en-de", "en-*", "*-*"; empty: all
  std::vector<std::string> valid_directions;  // empty: those of training
  double temperature = 1.0;
  double translation_weight = 1.0;
  double denoising_weight = 0.0;
  std::vector<std::string> task_weights;   // "summary=0.5"; tasks of the data that are not named: 1
  std::vector<std::string> task_schedule;  // "summary=0.5@100000"
  double task_temperature = 0.0;           // 0: weights alone
  double mask_ratio = 0.3;
  double mask_span = 3.0;
  double delete_ratio = 0.1;
  std::int64_t shuffle_distance = 3;
  std::int64_t max_length = 256;
  std::int64_t bucket_examples = 16384;
};

/// How training goes on.
struct TrainOptions {
  std::string output;
  std::string init;  // checkpoint whose weights training starts from
  bool init_optimizer = false;
  std::int64_t seed = 1;
  std::int64_t max_tokens = 4096;
  std::int64_t micro_batches = 1;
  std::int64_t max_updates = 100000;
  double max_minutes = 0.0;           // 0: no limit
  std::string precision = "float32";  // float32, bfloat16, float16
  double loss_scale = 65536.0;        // float16: the first one
  std::int64_t loss_scale_window = 2000;
  std::string device = "cpu";  // cpu, cuda
  bool deterministic = false;  // on a GPU; the CPU always is
  double device_memory = 0.0;  // GB; 0: all there is
  double host_memory = 0.0;
  std::int64_t threads = 0;
  double label_smoothing = 0.1;
  double ema = 0.0;  // decay; 0: no average
  std::int64_t log_freq = 50;
  std::int64_t save_freq = 1000;
  std::int64_t keep_checkpoints = 3;
  std::int64_t valid_freq = 1000;
  std::int64_t valid_examples = 200;
  std::int64_t valid_beam_size = 1;
  std::string keep_best = "chrf";  // loss, bleu, chrf
  std::int64_t early_stopping = 0;
  std::int64_t max_skipped = 10;  // in a row; 0: no limit
  bool verify = true;             // checkpoints and data against their checksums
  bool tensorboard = true;
};

struct OptimizerOptions {
  double learning_rate = 5e-4;
  std::string schedule = "inverse-sqrt";  // inverse-sqrt, cosine, linear, constant
  std::int64_t warmup_updates = 4000;
  double min_learning_rate = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.98;
  double epsilon = 1e-6;
  double weight_decay = 0.0;
  double clip_norm = 1.0;
};

/// Beam search, or sampling.
struct DecodeOptions {
  std::int64_t beam_size = 4;
  double length_penalty = 1.0;
  std::int64_t n_best = 1;
  std::int64_t min_length = 1;
  double max_length_factor = 2.0;
  std::int64_t max_length_offset = 20;
  std::int64_t max_tokens = 4096;
  std::int64_t no_repeat_ngram = 4;  // 0: off
  double repetition_penalty = 1.0;   // 1: off
  Protection protect = Protection::kDocuments;
  double temperature = 0.0;  // 0: beam search
  std::int64_t top_k = 0;    // 0: all tokens
  double top_p = 1.0;
  std::int64_t seed = 1;
  SentenceSplit split_sentences = SentenceSplit::kLong;
};

/// How a training run is spread over processes.
struct ParallelOptions {
  std::int64_t data = 0;  // 0: what the other degrees leave of the processes
  std::int64_t expert = 1;
  std::int64_t model = 1;
  std::int64_t zero_stage = 0;
  bool recompute = false;
  std::string expert_slicing = "sliced";  // sliced, whole
  std::string all_to_all = "flat";        // flat, hierarchical
  std::int64_t exchange_chunks = 1;
  double timeout = 600.0;
  bool rank_logs = false;
};

/// Where state lives that is not needed on the device all the time: device, host, file.
struct OffloadOptions {
  std::string optimizer = "device";
  std::string gradients = "device";
  std::string parameters = "device";
  std::string activations = "device";  // device, host
  std::string folder;                  // empty: train.output
  bool delayed_update = false;
};

/// The machines that `polymoe plan` plans for. A node is a machine with its host memory and its disk.
struct ClusterOptions {
  std::int64_t devices = 1;
  std::int64_t node_devices = 8;
  double device_memory = 40.0;      // GB of a device
  double reserved_memory = 1.0;     // GB of a device that programs take beside tensors
  double host_memory = 1000.0;      // GB of a node
  double disk = 0.0;                // GB of a node
  double peak_tflops = 312.0;       // of a device
  double efficiency = 0.4;          // share of the peak that matrix products reach
  double device_bandwidth = 1555;   // GB/s of a device's memory
  double host_bandwidth = 200.0;    // GB/s of a node's memory
  double link_bandwidth = 16.0;     // GB/s between a device and its host
  double node_bandwidth = 300.0;    // GB/s of a device to others in its node
  double network_bandwidth = 12.5;  // GB/s of a device to other nodes
  double disk_bandwidth = 5.0;      // GB/s of a node's disk
};

/// Everything a training run is made from.
struct RunOptions {
  ModelOptions model;
  DataOptions data;
  TrainOptions train;
  ParallelOptions parallel;
  OffloadOptions offload;
  OptimizerOptions optimizer;
  DecodeOptions decode;
  ClusterOptions cluster;
};

/// The tables: keys, help, ranges, and pointers into `options`.
std::vector<Section> sections_of(RunOptions& options);
std::vector<Section> sections_of(DecodeOptions& options);

/// Sets the sizes of a named model; other fields keep their values. Throws Error for an unknown name.
void apply_preset(ModelOptions& model, const std::string& name);
/// The names apply_preset() knows, smallest model first.
std::vector<std::string> preset_names();

/// Throws Error with the key for options that contradict each other (heads that do not divide hidden, say). `given`
/// tells where the keys stand, for the message.
void validate(const RunOptions& options, const GivenKeys& given = {});
void validate(const ModelOptions& model, const GivenKeys& given = {});
void validate(const DecodeOptions& decode, const GivenKeys& given = {});

}  // namespace polymoe
