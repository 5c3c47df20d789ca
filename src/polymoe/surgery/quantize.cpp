#include "polymoe/surgery/quantize.h"

#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/surgery/result.h"
#include "polymoe/surgery/source.h"
#include "polymoe/tensor/int8_weight.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

constexpr const char* kModel = "model";

// The names of the matrices that need not stay in float32.
std::set<std::string> matrices_of(const ModelOptions& options) {
  const OnMetaDevice scope;
  const Model model = make_model(options);
  std::set<std::string> names;
  for (const auto& [name, parameter] : parameter_specs(*model)) {
    if (parameter.stays_wide()) continue;
    for (const LogicalTensor& tensor : logical_tensors(name, parameter)) {
      if (tensor.shape.size() == 2) names.insert(tensor.name);
    }
  }
  return names;
}

void add_int8(SurgeryResult& result, const Checkpoint& checkpoint, const std::string& name) {
  const std::vector<std::int64_t> shape = checkpoint.spec(kModel, name).shape;
  result.add(kModel, {name, Dtype::kI8, shape},
             [&checkpoint, name] { return quantize_int8(checkpoint.read(kModel, name)).values; });
  result.add(kModel, {scales_name(name), Dtype::kF32, {shape.at(0)}},
             [&checkpoint, name] { return int8_scales(checkpoint.read(kModel, name)); });
}

}  // namespace

QuantizeReport quantize_checkpoint(const QuantizeOptions& options, const ProgressSink& progress) {
  const Source source = Source::open(options.checkpoint);
  check_output(options.output, {source.checkpoint.path()});
  const std::set<std::string> matrices = matrices_of(checked_model_options(source.checkpoint));
  SurgeryResult result(options.output, progress);
  for (const std::string& name : source.checkpoint.names(kModel)) {
    if (matrices.count(name) == 0) {
      result.add_copy(kModel, name, source.checkpoint, name);
    } else if (options.to == StoredWeights::kInt8) {
      add_int8(result, source.checkpoint, name);
    } else {
      const TensorSpec spec{name, Dtype::kBF16, source.checkpoint.spec(kModel, name).shape};
      result.add(kModel, spec, [&source, name] { return source.checkpoint.read(kModel, name).to(at::kBFloat16); });
    }
  }
  nlohmann::json meta{{"origin", {{"command", "quantize"}, {"sources", {source.origin()}}}}};
  if (options.to == StoredWeights::kInt8) meta["weights"] = "int8";
  result.commit(source.options, source.vocabulary, meta);
  return {size_of_model(source.checkpoint).bytes,
          size_of_model(Checkpoint::open(options.output, Check::kHeaders)).bytes};
}

}  // namespace polymoe
