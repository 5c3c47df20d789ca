#include "polymoe/surgery/quantize.h"

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/model/model.h"
#include "polymoe/nn/parameter_module.h"
#include "polymoe/surgery/result.h"
#include "polymoe/surgery/source.h"
#include "polymoe/tensor/int4_weight.h"
#include "polymoe/tensor/int8_weight.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

constexpr const char* kModel = "model";

// What the matrices become that need not stay in float32, by name.
std::map<std::string, StoredWeights> formats_of_matrices(const ModelOptions& options, StoredWeights to) {
  const OnMetaDevice scope;
  const Model model = make_model(options);
  std::map<std::string, StoredWeights> formats;
  for (const auto& [name, parameter] : parameter_specs(*model)) {
    if (parameter.stays_wide()) continue;
    const bool stays_int8 = to == StoredWeights::kInt4 && parameter.role != Role::kExpert;
    for (const LogicalTensor& tensor : logical_tensors(name, parameter)) {
      if (tensor.shape.size() == 2) formats[tensor.name] = stays_int8 ? StoredWeights::kInt8 : to;
    }
  }
  return formats;
}

void add_int8(SurgeryResult& result, const Checkpoint& checkpoint, const std::string& name) {
  const std::vector<std::int64_t> shape = checkpoint.spec(kModel, name).shape;
  result.add(kModel, {name, Dtype::kI8, shape},
             [&checkpoint, name] { return quantize_int8(checkpoint.read(kModel, name)).values; });
  result.add(kModel, {scales_name(name), Dtype::kF32, {shape.at(0)}},
             [&checkpoint, name] { return int8_scales(checkpoint.read(kModel, name)); });
}

void add_int4(SurgeryResult& result, const Checkpoint& checkpoint, const std::string& name) {
  const std::vector<std::int64_t> shape = checkpoint.spec(kModel, name).shape;
  result.add(kModel, {name, Dtype::kU8, {shape.at(0), shape.at(1) / 2}},
             [&checkpoint, name] { return quantize_int4(checkpoint.read(kModel, name)).values; });
  result.add(kModel, {scales_name(name), Dtype::kBF16, {shape.at(0), int4_groups(shape.at(1))}},
             [&checkpoint, name] { return quantize_int4(checkpoint.read(kModel, name)).scales; });
}

void add_bfloat16(SurgeryResult& result, const Checkpoint& checkpoint, const std::string& name) {
  result.add(kModel, {name, Dtype::kBF16, checkpoint.spec(kModel, name).shape},
             [&checkpoint, name] { return checkpoint.read(kModel, name).to(at::kBFloat16); });
}

}  // namespace

QuantizeReport quantize_checkpoint(const QuantizeOptions& options, const ProgressSink& progress) {
  const Source source = Source::open(options.checkpoint);
  check_output(options.output, {source.checkpoint.path()});
  const ModelOptions model = checked_model_options(source.checkpoint);
  if (options.to == StoredWeights::kInt4) check_int4(model, source.checkpoint.path());
  const bool rounds = options.to != StoredWeights::kBFloat16;
  if (rounds && model.moe.experts > 0 && model.moe.router == RouterKind::kExpertChoice) {
    throw Error("int8 and int4 weights are not for models whose experts choose their tokens",
                {source.checkpoint.path(), 0}, "quantise it to bfloat16");
  }
  const std::map<std::string, StoredWeights> formats = formats_of_matrices(model, options.to);
  SurgeryResult result(options.output, progress);
  for (const std::string& name : source.checkpoint.names(kModel)) {
    const auto format = formats.find(name);
    if (format == formats.end()) {
      result.add_copy(kModel, name, source.checkpoint, name);
      continue;
    }
    switch (format->second) {
      case StoredWeights::kBFloat16:
        add_bfloat16(result, source.checkpoint, name);
        break;
      case StoredWeights::kInt8:
        add_int8(result, source.checkpoint, name);
        break;
      case StoredWeights::kInt4:
        add_int4(result, source.checkpoint, name);
        break;
    }
  }
  nlohmann::json meta{{"origin", {{"command", "quantize"}, {"sources", {source.origin()}}}}};
  if (rounds) meta["weights"] = options.to == StoredWeights::kInt8 ? "int8" : "int4";
  result.commit(source.options, source.vocabulary, meta);
  return {size_of_model(source.checkpoint).bytes,
          size_of_model(Checkpoint::open(options.output, Check::kHeaders)).bytes};
}

}  // namespace polymoe
