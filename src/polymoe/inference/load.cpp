#include "polymoe/inference/load.h"

#include <optional>

#include "polymoe/base/error.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/inference/module_model.h"
#include "polymoe/inference/packed_model.h"
#include "polymoe/tensor/device.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

std::optional<WeightFormat> weight_format(const std::string& precision) {
  if (precision == "float32") return WeightFormat::kFloat32;
  if (precision == "bfloat16") return WeightFormat::kBFloat16;
  if (precision == "int8") return WeightFormat::kInt8;
  return std::nullopt;
}

}  // namespace

std::shared_ptr<DecodingModel> load_decoding_model(const Checkpoint& checkpoint, const std::string& precision,
                                                   const std::string& device) {
  const std::optional<WeightFormat> format = weight_format(precision);
  const bool packs = device == "cpu" && can_pack(options_of(checkpoint).model);
  if (is_quantized(checkpoint) && device != "cpu") {
    throw Error("its weights are int8, which are for the CPU", {checkpoint.path(), 0}, "give --device cpu");
  }
  if (packs && format) return load_packed_model(checkpoint, *format);
  if (format == WeightFormat::kInt8) {
    throw Error(device == "cpu" ? "int8 weights are not for models whose experts choose their tokens"
                                : "int8 weights are for the CPU",
                {checkpoint.path(), 0}, "choose another --precision");
  }
  return std::make_shared<ModuleModel>(load_model(checkpoint, parse_precision(precision), open_device(device)));
}

}  // namespace polymoe
