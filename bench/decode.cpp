// Times decoding: `sentences` sources at once, exactly `length` tokens each. The first argument is a folder that
// bench/peers/decode.py made, or "random" for a model of random weights in the shape that the options tell. Prints one
// JSON object: the ids, the seconds from opening the folder to the first translations, those of each repeat, and the
// memory. `competitors` threads compute beside it, as other programs would.

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <stop_token>
#include <thread>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "bench/arguments.h"
#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/memory.h"
#include "polymoe/checkpoint/dtype.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/checkpoint/safetensors.h"
#include "polymoe/config/decode_options.h"
#include "polymoe/decode/batches.h"
#include "polymoe/decode/beam_search.h"
#include "polymoe/inference/packed_model.h"
#include "polymoe/tensor/torch_headers.h"

namespace {

using namespace polymoe;

ModelOptions options_of(const nlohmann::json& shape, const bench::Arguments& arguments) {
  ModelOptions options;
  options.vocabulary = shape.at("vocabulary");
  options.hidden = shape.at("hidden");
  options.ffn = shape.at("ffn");
  options.heads = shape.at("heads");
  options.encoder_layers = shape.at("layers");
  options.decoder_layers = shape.at("layers");
  options.position_offset = arguments.number("position-offset");
  if (arguments.word("norm") == "post") options.norm = NormOrder::kPost;
  options.max_positions = 256;
  options.moe.experts = shape.at("experts");
  options.moe.every = shape.at("every");
  options.moe.top_k = shape.at("top_k");
  return options;
}

at::Tensor read_tensor(const SafetensorsFile& file, const std::string& name) {
  const TensorSpec* spec = file.find(name);
  if (spec == nullptr) return {};
  at::Tensor tensor = at::empty(spec->shape, scalar_type(spec->dtype));
  const auto bytes = file.bytes(name);
  std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  file.release(name);
  return tensor;
}

WeightFormats formats_of(const std::string& weights) {
  if (weights == "bfloat16") return WeightFormat::kBFloat16;
  if (weights == "int4") return {WeightFormat::kInt8, WeightFormat::kInt4};
  return weights == "int8" ? WeightFormat::kInt8 : WeightFormat::kFloat32;
}

// The model, its sources, and a search over them.
struct Case {
  nlohmann::json shape;
  std::shared_ptr<PackedModel> model;
  std::vector<std::vector<std::int32_t>> sources;
  DecodeOptions options;
  std::unique_ptr<BatchRunner> runner;

  // As the translator does: threads search batches, of which each has two.
  std::vector<std::vector<Hypothesis>> decode() {
    SearchSymbols symbols;
    symbols.end = 2;
    symbols.forbidden = {2};
    if (!runner) runner = std::make_unique<BatchRunner>(*model);
    const auto at_once = static_cast<std::size_t>(runner->at_once());
    const std::size_t batches = at_once == 1 ? 1 : std::min(sources.size(), 2 * at_once);
    std::vector<std::vector<Hypothesis>> found(sources.size());
    runner->run(batches, [&](std::size_t batch) {
      const auto first = static_cast<std::ptrdiff_t>(sources.size() * batch / batches),
                 last = static_cast<std::ptrdiff_t>(sources.size() * (batch + 1) / batches);
      const std::vector<std::vector<std::int32_t>> own(sources.begin() + first, sources.begin() + last);
      auto results = beam_search(*model, own, std::vector<std::int32_t>(own.size(), 2), symbols, options);
      std::move(results.begin(), results.end(), found.begin() + first);
    });
    return found;
  }
};

void load_folder(const std::string& folder, const bench::Arguments& arguments, Case& loaded) {
  const nlohmann::json description = parse_json(read_file(folder + "/model.json"));
  loaded.shape = description.at("shape");
  loaded.sources = description.at("sources");
  loaded.sources.resize(static_cast<std::size_t>(arguments.number("sentences")));
  const bool is_small = arguments.word("weights").starts_with("int");
  const SafetensorsFile weights(folder + (is_small ? "/model-int8.safetensors" : "/model-float32.safetensors"));
  loaded.model = std::make_shared<PackedModel>(
      options_of(loaded.shape, arguments), [&](const std::string& name) { return read_tensor(weights, name); },
      formats_of(arguments.word("weights")));
}

void make_random(const bench::Arguments& arguments, Case& loaded) {
  for (const char* key : {"vocabulary", "hidden", "ffn", "heads", "layers", "experts", "every"}) {
    loaded.shape[key] = arguments.number(key);
  }
  loaded.shape["top_k"] = arguments.number("top-k");
  const ModelOptions options = options_of(loaded.shape, arguments);
  std::map<std::string, std::vector<std::int64_t>> shapes;
  {
    const OnMetaDevice scope;
    for (const auto& [name, parameter] : parameter_specs(*make_model(options))) {
      for (const LogicalTensor& tensor : logical_tensors(name, parameter)) shapes[tensor.name] = tensor.shape;
    }
  }
  at::manual_seed(1);
  const auto make = [&](const std::string& name) { return at::randn(shapes.at(name)) * 0.08; };
  loaded.model = std::make_shared<PackedModel>(options, make, formats_of(arguments.word("weights")));
  for (std::int64_t i = 0; i < arguments.number("sentences"); ++i) {
    const at::Tensor ids = at::randint(4, options.vocabulary, {20}, at::kInt);
    loaded.sources.emplace_back(ids.const_data_ptr<std::int32_t>(), ids.const_data_ptr<std::int32_t>() + 20);
  }
}

Case load(const std::string& folder, const bench::Arguments& arguments) {
  Case loaded;
  if (folder == "random") {
    make_random(arguments, loaded);
  } else {
    load_folder(folder, arguments, loaded);
  }
  loaded.options.beam_size = arguments.number("beam");
  loaded.options.n_best = loaded.options.beam_size;  // waits for all beams, as the peers do
  loaded.options.max_length_factor = 0.0;
  loaded.options.max_length_offset = arguments.number("length");
  loaded.options.no_repeat_ngram = 0;
  loaded.options.min_length = 0;
  return loaded;
}

void measure(int argc, char** argv) {
  if (argc < 2) fail("the first argument is the folder of a model");
  const bench::Arguments arguments(argc - 1, argv + 1,
                                   {{"beam", 4},
                                    {"sentences", 64},
                                    {"length", 20},
                                    {"threads", 1},
                                    {"repeats", 5},
                                    {"competitors", 0},
                                    {"vocabulary", 6000},
                                    {"hidden", 512},
                                    {"ffn", 2048},
                                    {"heads", 8},
                                    {"layers", 6},
                                    {"experts", 0},
                                    {"every", 2},
                                    {"top-k", 1},
                                    {"position-offset", 2}},
                                   {{"weights", {"float32", "bfloat16", "int8", "int4"}}, {"norm", {"pre", "post"}}});
  at::set_num_threads(static_cast<int>(arguments.number("threads")));
  Case loaded;
  std::vector<std::vector<std::int32_t>> ids;
  const double start = bench::seconds_of([&] {
    loaded = load(argv[1], arguments);
    for (const auto& hypotheses : loaded.decode()) ids.push_back(hypotheses.front().ids);
  });
  std::vector<std::jthread> competitors;  // other programs on the machine
  for (std::int64_t i = 0; i < arguments.number("competitors"); ++i) {
    competitors.emplace_back([](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
      }
    });
  }
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < arguments.number("repeats"); ++i) {
    seconds.push_back(bench::seconds_of([&] { loaded.decode(); }));
  }
  fmt::print("{}\n", dump_json(nlohmann::json{{"shape", loaded.shape},
                                              {"ids", ids},
                                              {"start_seconds", start},
                                              {"seconds", seconds},
                                              {"weight_bytes", loaded.model->bytes()},
                                              {"peak_bytes", peak_resident_bytes()}}));
}

}  // namespace

int main(int argc, char** argv) { return polymoe::bench::run(measure, argc, argv); }
