// Times one linear layer as decoding computes it: packed products of each format beside LibTorch's own (MKL on most
// builds), for several numbers of rows, in turn. Prints one JSON object: microseconds, medians of the repeats.

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "bench/arguments.h"
#include "polymoe/inference/packed_linear.h"
#include "polymoe/tensor/torch_headers.h"

namespace {

using namespace polymoe;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

void measure(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, {{"inputs", 512}, {"outputs", 2048}, {"threads", 1}, {"repeats", 51}});
  const at::NoGradGuard no_grad;
  at::set_num_threads(static_cast<int>(arguments.number("threads")));
  const std::int64_t inputs = arguments.number("inputs"), outputs = arguments.number("outputs");
  const at::Tensor weight = at::randn({outputs, inputs}), bias = at::randn({outputs});
  const PackedLinear float32({weight, {}, bias}, WeightFormat::kFloat32),
      bfloat16({weight, {}, bias}, WeightFormat::kBFloat16), int8({weight, {}, bias}, WeightFormat::kInt8);
  Workspace workspace;
  nlohmann::json result{{"inputs", inputs}, {"outputs", outputs}, {"threads", arguments.number("threads")}};
  for (const std::int64_t rows : {1, 4, 64, 256}) {
    const at::Tensor x = at::randn({rows, inputs}), y = at::empty({rows, outputs});
    const auto apply = [&](const PackedLinear& linear) {
      linear.apply(x.const_data_ptr<float>(), rows, y.mutable_data_ptr<float>(), workspace);
    };
    const std::vector<std::pair<std::string, std::function<void()>>> ways{
        {"libtorch", [&] { at::linear(x, weight, bias); }},
        {"float32", [&] { apply(float32); }},
        {"bfloat16", [&] { apply(bfloat16); }},
        {"int8", [&] { apply(int8); }}};
    std::vector<std::vector<double>> seconds(ways.size());
    for (std::int64_t i = 0; i < arguments.number("repeats"); ++i) {
      for (std::size_t way = 0; way < ways.size(); ++way) seconds[way].push_back(bench::seconds_of(ways[way].second));
    }
    nlohmann::json row{{"rows", rows}};
    for (std::size_t way = 0; way < ways.size(); ++way) row[ways[way].first] = 1e6 * median(seconds[way]);
    result["microseconds"].push_back(row);
  }
  fmt::print("{}\n", result.dump());
}

}  // namespace

int main(int argc, char** argv) { return polymoe::bench::run(measure, argc, argv); }
