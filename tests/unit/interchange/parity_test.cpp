#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/json_text.h"
#include "polymoe/checkpoint/dtype.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/checkpoint/safetensors.h"
#include "polymoe/config/decode_options.h"
#include "polymoe/config/run_options.h"
#include "polymoe/decode/beam_search.h"
#include "polymoe/inference/module_model.h"
#include "polymoe/interchange/import.h"
#include "polymoe/interchange/tensor_map.h"
#include "polymoe/loss/cross_entropy.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/vocabulary.h"
#include "support/device.h"
#include "support/temporary_folder.h"

/// Holds what imported models compute against dumps of transformers (tests/parity/transformers): those in tests/data,
/// or those in the folder that POLYMOE_PARITY_DUMPS names.
namespace polymoe {
namespace {

namespace fs = std::filesystem;

fs::path dumps() {
  const char* const given = std::getenv("POLYMOE_PARITY_DUMPS");
  return given != nullptr ? fs::path(given) : fs::path(POLYMOE_SOURCE_DIR) / "tests/data/interchange";
}

// None where the dumps are not: a program that is carried elsewhere must still list its tests.
std::vector<std::string> dump_names() {
  std::vector<std::string> names;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(dumps(), absent)) {
    if (fs::exists(entry.path() / "reference.safetensors")) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class ForeignParity : public ::testing::TestWithParam<std::string> {
 protected:
  ForeignParity() : file_(dumps() / GetParam() / "reference.safetensors") {
    const fs::path made = folder_.path() / "imported";
    import_model({dumps() / GetParam() / "model", made});
    const Checkpoint checkpoint = Checkpoint::open(made);
    kind_ = class_for(options_of(checkpoint).model);
    model_ = load_model(checkpoint, at::kFloat, test_device());
    for (auto& parameter : model_->parameters()) parameter.requires_grad_();
  }

  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  at::Tensor reference(const std::string& name) const {
    const TensorSpec& spec = *file_.find(name);
    const at::Tensor value = at::empty(spec.shape, scalar_type(spec.dtype));
    std::memcpy(value.mutable_data_ptr(), file_.bytes(name).data(), value.nbytes());
    return value;
  }

  std::vector<std::int32_t> ids(const at::Tensor& row, std::int64_t count) const {
    std::vector<std::int32_t> result;
    for (std::int64_t i = 0; i < count; ++i) result.push_back(static_cast<std::int32_t>(row[i].item<std::int64_t>()));
    return result;
  }

  // The examples of the dump: the decoder starts from the first of the targets' inputs.
  ModelInput batch() const {
    std::vector<Example> examples;
    const at::Tensor source = reference("source"), labels = reference("labels"), target = reference("target");
    const at::Tensor source_lengths = reference("source_lengths"), target_lengths = reference("target_lengths");
    for (std::int64_t row = 0; row < source.size(0); ++row) {
      Example& example = examples.emplace_back();
      example.source = ids(source[row], source_lengths[row].item<std::int64_t>());
      example.target = ids(labels[row], target_lengths[row].item<std::int64_t>());
      example.start = ids(target[row], 1)[0];
    }
    return make_model_input(make_micro_batch(examples, 1), test_device());
  }

  at::Tensor states(const ModelInput& input) {
    ForwardContext context;
    context.dropless = true;
    return model_->decode(input.target, model_->encode(input.source, context), context);
  }

  // The gradient of one of our parameters, put together of those of the foreign tensors.
  at::Tensor reference_gradient(const std::string& name, const std::map<std::string, TensorMap>& maps) const {
    const auto of = [&](const TensorMap& map) {
      std::vector<at::Tensor> parts;
      for (const std::string& part : map.parts) parts.push_back(reference("gradient/" + part));
      return at::cat(parts).view(map.shape);
    };
    const std::string marker = ".experts.";
    const std::size_t at = name.find(marker);
    if (at == std::string::npos) return of(maps.at(name));
    std::vector<at::Tensor> experts;
    for (std::int64_t e = 0;; ++e) {
      std::string expert = name;
      expert.insert(at + marker.size(), std::to_string(e) + ".");
      const auto found = maps.find(expert);
      if (found == maps.end()) return at::stack(experts);
      experts.push_back(has("gradient/" + found->second.parts.front()) ? of(found->second)
                                                                       : at::zeros(found->second.shape));
    }
  }

  void expect_search(const std::string& kind, std::int64_t beams) {
    const nlohmann::json marks = parse_json(file_.metadata().at("ids"));
    SearchSymbols symbols;
    symbols.end = marks.at("end");
    for (const std::int64_t id : marks.at("forbidden")) symbols.forbidden.push_back(id);
    if (!marks.at("forced").is_null()) symbols.forced.push_back(marks.at("forced"));
    DecodeOptions options;
    options.beam_size = beams;
    options.no_repeat_ngram = 0;  // as transformers has it
    options.min_length = 0;
    options.n_best = beams;  // waits for as many as transformers does
    options.max_length_factor = 0;
    options.max_length_offset = marks.at("longest");

    const at::Tensor sources = reference("searched"), lengths = reference("searched_lengths"),
                     expected = reference(kind);
    std::vector<std::vector<std::int32_t>> rows;
    for (std::int64_t row = 0; row < sources.size(0); ++row) {
      rows.push_back(ids(sources[row], lengths[row].item<std::int64_t>()));
    }
    const std::vector<std::int32_t> first_ids(rows.size(), marks.at("start").get<std::int32_t>());
    ModuleModel decoder(model_);
    const auto found = beam_search(decoder, rows, first_ids, symbols, options);
    // At the greatest length transformers takes unfinished texts for finished ones.
    std::int64_t same = 0, compared = 0;
    for (std::int64_t row = 0; row < sources.size(0); ++row) {
      const std::int64_t length = (expected[row] >= 0).sum().item<std::int64_t>();
      if (beams > 1 && length == options.max_length_offset) continue;
      ++compared;
      same += found[static_cast<std::size_t>(row)].front().ids == ids(expected[row], length) ? 1 : 0;
    }
    EXPECT_EQ(same, compared) << kind;
    EXPECT_GE(compared, sources.size(0) * 3 / 4) << kind;
    std::printf("%s: %s search: %ld of %ld texts are the same, %ld more reached the greatest length\n",
                GetParam().c_str(), kind.c_str(), static_cast<long>(same), static_cast<long>(compared),
                static_cast<long>(sources.size(0) - compared));
  }

  testing::TemporaryFolder folder_;
  SafetensorsFile file_;
  ForeignClass kind_ = ForeignClass::kM2m100;
  Model model_{nullptr};
};

TEST_P(ForeignParity, LogitsAreThoseOfTransformers) {
  const at::NoGradGuard no_grad;
  const at::Tensor logits = projected_logits(states(batch()), model_->projection()).cpu();
  const double difference = (logits - reference("logits")).abs().max().item<double>();
  EXPECT_LT(difference, 1e-4);
  std::printf("%s: logits differ by at most %.2g\n", GetParam().c_str(), difference);
}

TEST_P(ForeignParity, LossAndGradientsAreThoseOfTransformers) {
  const ModelInput input = batch();
  const auto tokens = static_cast<double>(input.labels.size(0));
  const at::Tensor loss = projected_cross_entropy(states(input), model_->projection(), input.labels, 0.0, tokens).loss;
  const double expected = reference("loss").item<double>();
  EXPECT_NEAR(loss.item<double>(), expected, 1e-3 * expected);
  loss.backward();

  std::map<std::string, TensorMap> maps;
  for (TensorMap& map : tensor_maps(kind_, model_->options())) maps.emplace(map.name, std::move(map));
  double worst = 0.0;
  for (const auto& item : model_->named_parameters()) {
    const std::string& name = item.key();
    if (name == "logits_bias") continue;  // no parameter there
    at::Tensor theirs = reference_gradient(name, maps), ours = item.value().grad().cpu();
    if (name.ends_with("qkv.bias") || name.ends_with("kv.bias")) {
      // Of the keys' bias the gradient is zero but for rounding; here it is set to that.
      const std::int64_t hidden = model_->options().hidden, keys = name.ends_with("qkv.bias") ? hidden : 0;
      EXPECT_LT(theirs.narrow(0, keys, hidden).abs().max().item<double>(), 1e-5) << name;
      theirs.narrow(0, keys, hidden).zero_();
    }
    if (name == "embedding") {
      // There the row of padding, from which Marian's decoder starts, never learns as an input.
      const std::int64_t pad = parse_json(file_.metadata().at("ids")).at("pad");
      for (const at::Tensor& gradient : {ours, theirs}) gradient[pad].zero_();
    }
    const double difference = (ours - theirs).norm().item<double>() / std::max(1e-6, theirs.norm().item<double>());
    EXPECT_LT(difference, 1e-3) << name;
    worst = std::max(worst, difference);
  }
  std::printf("%s: loss %.7f and %.7f, gradients differ by at most %.2g\n", GetParam().c_str(), loss.item<double>(),
              expected, worst);
}

TEST_P(ForeignParity, SearchesFindWhatTransformersFinds) {
  expect_search("greedy", 1);
  expect_search("beam", 4);
}

TEST_P(ForeignParity, TextsHaveTheIdsOfTheTokenizer) {
  const Vocabulary vocabulary = Vocabulary::load(folder_ / "imported/vocab.model");
  for (const nlohmann::json& text : parse_json(file_.metadata().at("texts"))) {
    const auto words = text.at("text").get<std::string>();
    const auto source = text.at("source").get<std::vector<std::int32_t>>();
    const auto target = text.at("target").get<std::vector<std::int32_t>>();
    EXPECT_EQ(vocabulary.encode(words, 0), source) << words;
    EXPECT_EQ(vocabulary.encode(words, 1), target) << words;
    // What is unknown shows otherwise.
    const bool known = std::count(target.begin(), target.end(), vocabulary.unk()) == 0;
    if (known) {
      EXPECT_EQ(vocabulary.decode(target), text.at("decoded").get<std::string>());
    }
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ForeignParity);
INSTANTIATE_TEST_SUITE_P(Dumps, ForeignParity, ::testing::ValuesIn(dump_names()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace polymoe
