// Times a training step (forward, loss, backward, clipping, Adam) and the machine's matrix-product peak, in turn.
// Prints one JSON object; model_flops counts the matrix products of one step, forward and backward, as if no token was
// dropped. --experts 0 makes the model dense.

#include <algorithm>

#include <nlohmann/json.hpp>

#include "bench/arguments.h"
#include "bench/call_counts.h"
#include "bench/device.h"
#include "polymoe/base/json_text.h"
#include "polymoe/config/run_options.h"
#include "polymoe/tensor/device.h"
#include "polymoe/tensor/tensor_memory.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/train/step.h"

namespace {

using namespace polymoe;

RunOptions step_options(const bench::Arguments& arguments) {
  RunOptions options;
  options.model.encoder_layers = arguments.number("encoder-layers");
  options.model.decoder_layers = arguments.number("decoder-layers");
  options.model.hidden = arguments.number("hidden");
  options.model.ffn = arguments.number("ffn");
  options.model.heads = arguments.number("heads");
  options.model.vocabulary = arguments.number("vocabulary");
  options.model.dropout = arguments.real("dropout");
  options.model.moe.experts = arguments.number("experts");
  options.model.moe.every = arguments.number("every");
  options.model.moe.top_k = arguments.number("top-k");
  options.model.moe.capacity = from_word<CapacityKind>(arguments.word("capacity"));
  options.model.moe.capacity_factor = arguments.real("capacity-factor");
  options.model.max_positions =
      std::max({options.model.max_positions, arguments.number("source-length"), arguments.number("target-length")});
  options.train.micro_batches = arguments.number("micro-batches");
  options.train.device = from_word<DeviceKind>(arguments.word("device"));
  options.train.precision = from_word<NumberFormat>(arguments.word("precision"));
  return options;
}

MicroBatch random_batch(const bench::Arguments& arguments) {
  const at::Tensor ids = at::randint(
      10, arguments.number("vocabulary"),
      {arguments.number("rows"), arguments.number("source-length") + arguments.number("target-length")}, at::kInt);
  std::vector<Example> examples;
  for (std::int64_t row = 0; row < ids.size(0); ++row) {
    const auto* data = ids[row].const_data_ptr<std::int32_t>();
    Example& example = examples.emplace_back();
    example.source.assign(data, data + arguments.number("source-length"));
    example.target.assign(data + arguments.number("source-length"), data + ids.size(1));
    example.start = 5;
  }
  return make_micro_batch(examples, 1);
}

// Multiply-adds count two; the backward of a product is two products of its size. MoE layers count what top-k routing
// computes for every token. Attention scores are counted, the other elementwise work is not.
double model_flops(const RunOptions& options, const bench::Arguments& arguments) {
  const ModelOptions& m = options.model;
  const auto rows = arguments.real("rows") * arguments.real("micro-batches"), source = arguments.real("source-length"),
             target = arguments.real("target-length");
  const auto hidden = static_cast<double>(m.hidden), ffn = static_cast<double>(m.ffn);
  const double source_tokens = rows * source, target_tokens = rows * target;
  const double feed_forward = 2 * hidden * ffn, projections = 4 * hidden * hidden;
  const double encoder = source_tokens * (projections + 2 * hidden * source);
  const double decoder =
      target_tokens * (projections + 2 * hidden * hidden + 2 * hidden * target + 2 * hidden * source) +
      source_tokens * 2 * hidden * hidden;
  // How many blocks' work the feed-forward blocks of a side are: a MoE layer is top-k of them.
  const auto blocks = [&m](std::int64_t layers) {
    const std::int64_t moe = m.moe.experts > 0 ? layers / m.moe.every : 0;
    return static_cast<double>(layers + moe * (m.moe.top_k - 1));
  };
  const double all_feed_forward =
      feed_forward * (source_tokens * blocks(m.encoder_layers) + target_tokens * blocks(m.decoder_layers));
  const double vocabulary = target_tokens * hidden * static_cast<double>(m.vocabulary);
  return 3 * 2 *
         (static_cast<double>(m.encoder_layers) * encoder + static_cast<double>(m.decoder_layers) * decoder +
          all_feed_forward + vocabulary);
}

bench::Arguments::Words words() {
  bench::Arguments::Words words = bench::device_words();
  words["capacity"] = {"limited", "dropless"};
  return words;
}

void measure(int argc, char** argv) {
  map_large_tensors();  // as the program does
  const bench::Arguments arguments(argc, argv,
                                   {{"threads", 1},
                                    {"repeats", 5},
                                    {"warmup", 2},
                                    {"encoder-layers", 2},
                                    {"decoder-layers", 2},
                                    {"hidden", 512},
                                    {"ffn", 2048},
                                    {"heads", 8},
                                    {"vocabulary", 16000},
                                    {"experts", 8},
                                    {"every", 2},
                                    {"top-k", 1},
                                    {"capacity-factor", 1.0},
                                    {"rows", 64},
                                    {"micro-batches", 1},
                                    {"source-length", 32},
                                    {"target-length", 32},
                                    {"dropout", 0.1}},
                                   words());
  at::set_num_threads(static_cast<int>(arguments.number("threads")));
  const RunOptions options = step_options(arguments);
  const at::Device device = open_device(options.train.device, options.train.deterministic);
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  TrainState state(options, *alone);
  std::vector<MicroBatch> batches;
  for (std::int64_t i = 0; i < arguments.number("micro-batches"); ++i) batches.push_back(random_batch(arguments));

  nlohmann::json seconds = nlohmann::json::array();
  double peak = 0.0;
  const std::int64_t warmup = arguments.number("warmup");
  for (std::int64_t i = 0; i < warmup + arguments.number("repeats"); ++i) {
    peak = std::max(peak, bench::matrix_peak(device, scalar_type(options.train.precision)));
    // On a GPU several at a time: in a training the host prepares the next step while the device is at this one.
    const int steps = device.is_cpu() ? 1 : 4;
    const double all = bench::seconds_on(device, [&] {
      for (int step = 0; step < steps; ++step) train_step(state, batches, options, 1e-4);
    });
    if (i >= warmup) seconds.push_back(all / steps);
  }
  bench::reset_peak_bytes(device);
  const nlohmann::json calls = bench::count_calls(device, [&] { train_step(state, batches, options, 1e-4); });
  std::int64_t source_tokens = 0, target_tokens = 0;
  for (const MicroBatch& batch : batches) {
    source_tokens += batch.source_tokens();
    target_tokens += batch.target_tokens();
  }
  nlohmann::json shape;
  for (const char* name : {"encoder-layers", "decoder-layers", "hidden", "ffn", "heads", "vocabulary", "experts",
                           "every", "top-k", "rows", "micro-batches", "source-length", "target-length"}) {
    std::string key = name;
    std::replace(key.begin(), key.end(), '-', '_');
    shape[key] = arguments.number(name);
  }
  shape["dropout"] = arguments.real("dropout");
  shape["capacity"] = arguments.word("capacity");
  shape["capacity_factor"] = arguments.real("capacity-factor");
  fmt::print("{}\n", dump_json(nlohmann::json{{"shape", shape},
                                              {"device", arguments.word("device")},
                                              {"precision", arguments.word("precision")},
                                              {"seconds", seconds},
                                              {"model_flops", model_flops(options, arguments)},
                                              {"source_tokens", source_tokens},
                                              {"target_tokens", target_tokens},
                                              {"peak_flops_per_second", peak},
                                              {"peak_bytes", bench::peak_bytes(device)},
                                              {"calls", calls}}));
}

}  // namespace

int main(int argc, char** argv) { return polymoe::bench::run(measure, argc, argv); }
