// Times updates of Adam over state in host memory, with float32 parameters and with bfloat16 ones beside float32
// master weights, and in turn the memory's bandwidth. Prints one JSON object; the bandwidth is that of the
// faster of two sweeps in place.

#include <algorithm>

#include <torch/nn/module.h>
#include <nlohmann/json.hpp>

#include "bench/arguments.h"
#include "polymoe/base/json_text.h"
#include "polymoe/optim/adam.h"
#include "polymoe/tensor/tensor_memory.h"
#include "polymoe/tensor/torch_headers.h"

namespace {

using namespace polymoe;

struct OneParameter : torch::nn::Module {
  OneParameter(std::int64_t count, at::ScalarType type) { register_parameter("weight", at::randn({count}).to(type)); }
};

double update_seconds(Adam& adam) {
  return bench::seconds_of([&] { adam.update(1e-4, 1.0); });
}

// Bytes per second of f, which moves so many.
template <typename Function>
double rate(double bytes, const Function& f) {
  return bytes / bench::seconds_of(f);
}

// The tensor library's own sweeps, in place, so that every byte counted is one that the memory moves.
double bandwidth(const ParameterUnit& unit) {
  const auto count = static_cast<double>(unit.size);
  const double one_stream = rate(8.0 * count, [&] { unit.first_moments.mul_(0.999); });
  const double two_streams = rate(12.0 * count, [&] { unit.master.add_(unit.own_gradients, 1e-4); });
  return std::max(one_stream, two_streams);
}

void measure(int argc, char** argv) {
  map_large_tensors();  // as the program does
  const bench::Arguments arguments(argc, argv,
                                   {{"threads", 2}, {"repeats", 5}, {"warmup", 2}, {"parameters", 1 << 26}});
  at::set_num_threads(static_cast<int>(arguments.number("threads")));
  const std::int64_t count = arguments.number("parameters");
  OneParameter wide(count, at::kFloat), narrow(count, at::kBFloat16);
  ParameterStore wide_store(wide), narrow_store(narrow);
  for (ParameterStore* store : {&wide_store, &narrow_store}) store->units()[0].own_gradients.uniform_(-0.1, 0.1);
  Adam wide_adam(wide_store, OptimizerOptions{}), narrow_adam(narrow_store, OptimizerOptions{});

  nlohmann::json seconds{{"float32", nlohmann::json::array()}, {"bfloat16", nlohmann::json::array()}};
  nlohmann::json bandwidths = nlohmann::json::array();
  const std::int64_t warmup = arguments.number("warmup");
  for (std::int64_t i = 0; i < warmup + arguments.number("repeats"); ++i) {
    const double bytes_per_second = bandwidth(wide_store.units()[0]);
    const double wide_seconds = update_seconds(wide_adam);
    const double narrow_seconds = update_seconds(narrow_adam);
    if (i < warmup) continue;
    bandwidths.push_back(bytes_per_second);
    seconds["float32"].push_back(wide_seconds);
    seconds["bfloat16"].push_back(narrow_seconds);
  }
  // Adam reads parameters, gradients and two moments, and writes all but the gradients; the copy in bfloat16 is 2
  // bytes.
  fmt::print("{}\n", dump_json(nlohmann::json{{"shape", {{"parameters", count}}},
                                              {"seconds", seconds},
                                              {"bytes_per_parameter", {{"float32", 28}, {"bfloat16", 30}}},
                                              {"bandwidth", bandwidths}}));
}

}  // namespace

int main(int argc, char** argv) { return polymoe::bench::run(measure, argc, argv); }
