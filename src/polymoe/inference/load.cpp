#include "polymoe/inference/load.h"

#include <optional>

#include "polymoe/base/error.h"
#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/config/run_options.h"
#include "polymoe/inference/module_model.h"
#include "polymoe/inference/packed_model.h"
#include "polymoe/tensor/device.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

std::optional<WeightFormats> weight_formats(const std::string& precision) {
  if (precision == "float32") return WeightFormat::kFloat32;
  if (precision == "bfloat16") return WeightFormat::kBFloat16;
  if (precision == "int8") return WeightFormat::kInt8;
  if (precision == "int4") return WeightFormats(WeightFormat::kInt8, WeightFormat::kInt4);
  return std::nullopt;
}

}  // namespace

std::shared_ptr<DecodingModel> load_decoding_model(const Checkpoint& checkpoint, const std::string& precision,
                                                   const std::string& device) {
  const std::string others = precision == "auto" ? "float32" : precision;  // where weights are not quantized already
  const std::optional<WeightFormats> formats = weight_formats(others);
  const ModelOptions options = options_of(checkpoint).model;
  const std::string stored = quantized_to(checkpoint);
  if (!stored.empty() && device != "cpu") {
    throw Error(fmt::format("its weights are {}, which are for the CPU", stored), {checkpoint.path(), 0},
                "compute on the CPU (--device cpu)");
  }
  const bool rounds = precision == "int8" || precision == "int4";
  if (rounds && device != "cpu") {
    throw Error(fmt::format("{} weights are for the CPU", precision), {checkpoint.path(), 0},
                "choose another precision (--precision)");
  }
  if (rounds && !can_pack(options)) {
    throw Error(fmt::format("{} weights are not for models whose experts choose their tokens", precision),
                {checkpoint.path(), 0}, "choose another precision (--precision)");
  }
  if (precision == "int4") check_int4(options, checkpoint.path());
  if (!stored.empty() && !formats) {
    throw Error(fmt::format("its weights are {}, which do not compute in {}", stored, precision),
                {checkpoint.path(), 0}, "leave the precision to the checkpoint (--precision auto)");
  }
  if (!stored.empty() && precision != "auto" && precision != stored) {
    remark(fmt::format("its weights are {}, and stay so", stored), {checkpoint.path(), 0},
           "leave the precision to the checkpoint (--precision auto)");
  }
  if (device == "cpu" && formats && can_pack(options)) return load_packed_model(checkpoint, *formats);
  return std::make_shared<ModuleModel>(load_model(checkpoint, parse_precision(others), open_device(device)));
}

}  // namespace polymoe
