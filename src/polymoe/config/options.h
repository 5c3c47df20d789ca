#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "polymoe/config/choices.h"
#include "polymoe/config/field.h"

/// The options of every part of the system, with their defaults. Keys, help texts and ranges stand beside them in
/// options.cpp, one table for each struct; config files, `--help` and `--dump-config` come from those tables.
namespace polymoe {

/// Mixture-of-Experts layers. `experts` = 0 makes the model dense.
struct MoeOptions {
  std::int64_t experts = 0;                                // of each MoE layer
  std::vector<std::int64_t> experts_per_layer{};           // empty: `experts` in each MoE layer
  std::int64_t every = 2;                                  // every n-th layer of a side is one
  MoeSide side = MoeSide::kBoth;                           // which has them
  RouterKind router = RouterKind::kTokenChoice;            // what chooses
  std::int64_t top_k = 1;                                  // experts of a token; with expert choice on average
  CapacityKind capacity = CapacityKind::kLimited;          // whether there is a limit
  double capacity_factor = 1.0;                            // in training, as a multiple of an even share
  double final_capacity_factor = 0.0;                      // 0: capacity_factor throughout
  std::int64_t capacity_updates = 0;                       // from capacity_factor to final_capacity_factor
  double eval_capacity_factor = 2.0;                       // in validation; decoding has no limit
  std::int64_t min_capacity = 4;                           // of an expert, in tokens
  bool random_token_selection = true;                      // which tokens stay: random ones, or the first
  GateNoise gate_noise = GateNoise::kNone;                 // in training
  SecondExpert second_expert = SecondExpert::kAll;         // of a top-2 token-choice router, in training
  double balance_loss = 0.01;                              // its weight
  BalanceScope balance_scope = BalanceScope::kMicroBatch;  // whose choices it counts
  double bias_rate = 0.001;                                // of the sigmoid router, for each update
  double router_z_loss = 0.0;                              // its weight
  bool normalize_gates = true;                             // with top_k above 1, a token's weights add up to one
  double output_masking = 0.0;      // probability that a token goes without its experts' output, in training
  double output_scale = 1.0;        // of the routed experts' output
  std::int64_t shared_experts = 0;  // experts that every token goes to besides
};

/// The encoder-decoder transformer.
struct ModelOptions {
  std::string preset = "none";                // a named set of sizes, see apply_preset()
  std::int64_t vocabulary = 0;                // entries; 0: taken from the vocabulary file
  std::int64_t hidden = 512;                  // width
  std::int64_t ffn = 2048;                    // inner width of feed-forward blocks and experts
  std::int64_t heads = 8;                     // of attention; they divide `hidden`
  std::int64_t encoder_layers = 6;            // at least 1
  std::int64_t decoder_layers = 6;            // at least 1
  Activation activation = Activation::kRelu;  // of feed-forward blocks and experts
  NormOrder norm = NormOrder::kPre;           // where blocks have their layer norm
  bool embedding_scale = true;                // embeddings times sqrt(hidden)
  PositionFrequencies position_frequencies = PositionFrequencies::kTensor2tensor;  // of the sinusoids
  std::int64_t position_offset = 0;   // position of the first token in the table of sinusoids
  std::int64_t max_positions = 1024;  // tokens of the longest sequence
  bool logits_bias = false;           // a trained bias on the logits of the vocabulary
  double dropout = 0.1;               // after embeddings and blocks
  double attention_dropout = 0.0;     // on attention weights
  double activation_dropout = 0.0;    // after the activation
  MoeOptions moe;                     // its MoE layers
};

/// What is trained on, and how examples are drawn.
struct DataOptions {
  std::string path;                           // folder made by `polymoe prepare`
  std::vector<std::string> directions;        // "en-de", "en-*", "*-*"; empty: all
  std::vector<std::string> valid_directions;  // empty: those of training
  double temperature = 1.0;                   // languages are drawn in proportion to size^(1/temperature)
  double translation_weight = 1.0;            // share among the tasks
  double denoising_weight = 0.0;              // share among the tasks
  std::vector<std::string> task_weights;      // "summary=0.5"; tasks of the data that are not named: 1
  std::vector<std::string> task_schedule;     // "summary=0.5@100000": the weight after so many examples
  double task_temperature = 0.0;              // weights times examples^(1/temperature); 0: weights alone
  double mask_ratio = 0.3;                    // denoising: share of the tokens that are masked
  double mask_span = 3.0;                     // denoising: tokens of a masked span, on average
  double delete_ratio = 0.1;                  // denoising: share of the tokens that are deleted
  std::int64_t shuffle_distance = 3;          // denoising: places that a token moves at most
  std::int64_t max_length = 256;              // tokens; longer examples are left out
  std::int64_t bucket_examples = 16384;       // drawn at a time and batched by length
};

/// How training goes on.
struct TrainOptions {
  std::string output;                               // the run's folder
  std::string init;                                 // checkpoint whose weights training starts from
  bool init_optimizer = false;                      // its optimiser state too
  std::int64_t seed = 1;                            // of every random number
  std::int64_t max_tokens = 4096;                   // of a micro-batch, source and target together, padding included
  std::int64_t micro_batches = 1;                   // of one update, over all processes
  std::int64_t max_updates = 100000;                // training ends after them
  double max_minutes = 0.0;                         // 0: no limit
  NumberFormat precision = NumberFormat::kFloat32;  // of weights and activations
  double loss_scale = 65536.0;                      // float16: the first one
  std::int64_t loss_scale_window = 2000;            // float16: updates without an overflow after which it doubles
  DeviceKind device = DeviceKind::kCpu;             // where the model lives
  bool deterministic = false;                       // on a GPU; the CPU always is
  double device_memory = 0.0;                       // GB of a process; 0: all there is
  double host_memory = 0.0;                         // GB of a process, for offload.*; 0: all there is
  std::int64_t threads = 0;                         // of the CPU; 0: one for each core
  double label_smoothing = 0.1;                     // probability spread over the vocabulary
  double ema = 0.0;                                 // decay of the weights' moving average; 0: no average
  std::int64_t log_freq = 50;                       // updates between log lines
  std::int64_t save_freq = 1000;                    // updates between checkpoints; 0: only the last
  std::int64_t keep_checkpoints = 3;                // besides the best
  std::int64_t valid_freq = 1000;                   // updates between validations; 0: only the last
  std::int64_t valid_examples = 200;                // of each direction; 0: all
  std::int64_t valid_beam_size = 1;                 // 0: nothing is decoded
  ValidMetric keep_best = ValidMetric::kChrf;       // what the best checkpoint is best by
  std::int64_t early_stopping = 0;                  // validations without a better one that end training; 0: never
  std::int64_t max_skipped = 10;                    // updates in a row without a finite gradient; 0: no limit
  bool verify = true;                               // checkpoints and data against their checksums
  bool tensorboard = true;                          // write event files
};

/// Adam and its schedule.
struct OptimizerOptions {
  double learning_rate = 5e-4;                 // at its peak
  Schedule schedule = Schedule::kInverseSqrt;  // after the warm-up
  std::int64_t warmup_updates = 4000;          // of linear warm-up
  double min_learning_rate = 0.0;              // at the end of cosine and linear schedules
  double beta1 = 0.9;                          // decay of the first moment
  double beta2 = 0.98;                         // decay of the second moment
  double epsilon = 1e-6;                       // added to the root of the second moment
  double weight_decay = 0.0;                   // decoupled (AdamW)
  double clip_norm = 1.0;                      // largest norm of the gradient; 0: no clipping
};

/// Beam search, or sampling.
struct DecodeOptions {
  std::int64_t beam_size = 4;                   // hypotheses kept for each sentence
  double length_penalty = 1.0;                  // scores are divided by length^penalty
  std::int64_t n_best = 1;                      // translations of each sentence
  std::int64_t min_length = 1;                  // tokens of a translation at least
  double max_length_factor = 2.0;               // longest output: factor * source tokens + offset
  std::int64_t max_length_offset = 20;          // tokens, see max_length_factor
  std::int64_t max_tokens = 4096;               // source tokens of a batch, padding included
  std::int64_t no_repeat_ngram = 4;             // no n tokens come twice, unless the source has them; 0: off
  double repetition_penalty = 1.0;              // times log probabilities of tokens that are there already; 1: off
  Protection protect = Protection::kDocuments;  // where placeholders are held
  double temperature = 0.0;                     // of sampling; 0: beam search
  std::int64_t top_k = 0;                       // sampling: among so many tokens; 0: all
  double top_p = 1.0;                           // sampling: among tokens that make this share
  std::int64_t seed = 1;                        // of sampling
  SentenceSplit split_sentences = SentenceSplit::kLong;  // which lines are cut into sentences
};

/// How a training run is spread over processes.
struct ParallelOptions {
  std::int64_t data = 0;                                  // copies; 0: what the other degrees leave of the processes
  std::int64_t expert = 1;                                // processes that a layer's experts are spread over
  std::int64_t tensor = 1;                                // processes that matrices are cut over
  std::int64_t zero_stage = 0;                            // 1: optimiser state sharded, 2: gradients, 3: parameters
  bool recompute = false;                                 // keep block inputs, compute the rest anew in backward
  ExpertSlicing expert_slicing = ExpertSlicing::kSliced;  // with tensor > 1
  AllToAll all_to_all = AllToAll::kFlat;                  // how tokens travel to experts
  std::int64_t exchange_chunks = 1;                       // runs of a process's experts, overlapped with exchanges
  double timeout = 600.0;                                 // seconds that a process waits for the others
  bool rank_logs = false;                                 // the log of each process in train.output/logs
};

/// Where state lives that is not needed on the device all the time.
struct OffloadOptions {
  Tier optimizer = Tier::kDevice;    // moments, and float32 master weights of lower precisions
  Tier gradients = Tier::kDevice;    // summed ones; ZeRO stage 2 or 3
  Tier parameters = Tier::kDevice;   // while no block needs them; ZeRO stage 3
  Tier activations = Tier::kDevice;  // inputs of blocks, with recompute: on the device or the host
  std::string folder;                // of files; empty: train.output
  bool delayed_update = false;       // update with the gradients of the batch before, beside backward
};

/// The machines that `polymoe plan` plans for. A node is a machine with its host memory and its disk.
struct ClusterOptions {
  std::int64_t devices = 1;         // one process on each
  std::int64_t node_devices = 8;    // of a node
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
};

/// A run, and the machines that `polymoe plan` plans it for. A configuration file may hold all of it, whoever reads it.
struct PlannerOptions : RunOptions {
  ClusterOptions cluster;
};

/// The tables: keys, help, ranges, and pointers into `options`.
std::vector<Section> sections_of(RunOptions& options);
std::vector<Section> sections_of(PlannerOptions& options);
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
