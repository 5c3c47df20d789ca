// Times the products of our own beside LibTorch's (MKL on most builds), in turn, for several numbers of rows: one
// linear layer as decoding computes it, in each format, and the layers of many experts as training does, in float32 and
// bfloat16. Prints one JSON object: microseconds, and GFLOP/s of training's products; medians of the repeats.

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "bench/arguments.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/thread_team.h"
#include "polymoe/inference/packed_linear.h"
#include "polymoe/nn/moe/expert_products.h"
#include "polymoe/tensor/torch_headers.h"

namespace {

using namespace polymoe;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

using Ways = std::vector<std::pair<std::string, std::function<void()>>>;

// The median seconds of each way.
std::vector<double> times_of(const Ways& ways, std::int64_t repeats) {
  std::vector<std::vector<double>> seconds(ways.size());
  for (std::int64_t i = 0; i < repeats; ++i) {
    for (std::size_t way = 0; way < ways.size(); ++way) seconds[way].push_back(bench::seconds_of(ways[way].second));
  }
  std::vector<double> medians;
  for (const std::vector<double>& own : seconds) medians.push_back(median(own));
  return medians;
}

// GFLOP/s of the three products of experts with so many rows each, ours and LibTorch's expert by expert.
nlohmann::json measure_experts(const bench::Arguments& arguments, std::int64_t experts, std::int64_t rows,
                               at::ScalarType type) {
  const std::int64_t inputs = arguments.number("inputs"), outputs = arguments.number("outputs");
  const at::Tensor x = at::randn({experts * rows, inputs}).to(type),
                   weight = at::randn({experts, outputs, inputs}).to(type);
  at::Tensor dy = at::randn({experts * rows, outputs}).to(type), y = at::empty_like(dy), dx = at::empty_like(x),
             dw = at::empty_like(weight), db = at::empty({experts, outputs}, dy.options());
  const at::Tensor begin = at::arange(experts + 1, at::kLong) * rows;
  const auto each = [&](const auto& f) {
    for (std::int64_t e = 0; e < experts; ++e) f(e, e * rows);
  };
  const Ways ways{{"forward", [&] { multiply_experts(x, weight, {}, begin, {}, y); }},
                  {"forward, libtorch",
                   [&] {
                     each([&](std::int64_t e, std::int64_t row) {
                       at::Tensor out = y.narrow(0, row, rows);
                       at::mm_out(out, x.narrow(0, row, rows), weight[e].t());
                     });
                   }},
                  {"backward", [&] { multiply_experts_backward(dy, weight, begin, dx); }},
                  {"backward, libtorch",
                   [&] {
                     each([&](std::int64_t e, std::int64_t row) {
                       at::Tensor out = dx.narrow(0, row, rows);
                       at::mm_out(out, dy.narrow(0, row, rows), weight[e]);
                     });
                   }},
                  {"weight gradient", [&] { expert_weight_gradients(dy, x, begin, dw, db); }},
                  {"weight gradient, libtorch", [&] {
                     each([&](std::int64_t e, std::int64_t row) {
                       at::Tensor out = dw[e], sum = db[e];
                       at::sum_out(sum, dy.narrow(0, row, rows), 0);
                       at::mm_out(out, dy.narrow(0, row, rows).t(), x.narrow(0, row, rows));
                     });
                   }}};
  const std::vector<double> seconds = times_of(ways, std::max<std::int64_t>(3, arguments.number("repeats") / 10));
  const double flops = 2.0 * static_cast<double>(experts * rows * inputs * outputs);
  nlohmann::json result{{"experts", experts}, {"rows", rows}};
  for (std::size_t way = 0; way < ways.size(); ++way) result[ways[way].first] = flops / seconds[way] / 1e9;
  return result;
}

void measure(int argc, char** argv) {
  const bench::Arguments arguments(
      argc, argv, {{"inputs", 512}, {"outputs", 2048}, {"experts", 32}, {"threads", 1}, {"repeats", 51}});
  const at::NoGradGuard no_grad;
  at::set_num_threads(static_cast<int>(arguments.number("threads")));
  ThreadTeam team(static_cast<int>(arguments.number("threads")));
  const ThreadTeam::Use use(&team);
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
    const Ways ways{{"libtorch", [&] { at::linear(x, weight, bias); }},
                    {"float32", [&] { apply(float32); }},
                    {"bfloat16", [&] { apply(bfloat16); }},
                    {"int8", [&] { apply(int8); }}};
    const std::vector<double> seconds = times_of(ways, arguments.number("repeats"));
    nlohmann::json row{{"rows", rows}};
    for (std::size_t way = 0; way < ways.size(); ++way) row[ways[way].first] = 1e6 * seconds[way];
    result["microseconds"].push_back(row);
  }
  // The last is a dense layer.
  const std::int64_t experts = arguments.number("experts");
  for (const auto& [count, rows] : {std::pair{experts, 16}, {experts, 64}, {experts, 256}, {std::int64_t{1}, 4096}}) {
    result["experts"].push_back(measure_experts(arguments, count, rows, at::kFloat));
    result["experts, bfloat16"].push_back(measure_experts(arguments, count, rows, at::kBFloat16));
  }
  fmt::print("{}\n", dump_json(result));
}

}  // namespace

int main(int argc, char** argv) { return polymoe::bench::run(measure, argc, argv); }
