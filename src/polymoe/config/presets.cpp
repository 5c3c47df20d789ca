#include "polymoe/config/presets.h"

#include <cstdint>

#include "polymoe/base/error.h"
#include "polymoe/config/model_options.h"

namespace polymoe {
namespace {

struct Preset {
  const char* name;
  std::int64_t hidden, ffn, heads, encoder_layers, decoder_layers;
};

// z-code-m3 is the model of arXiv 2109.10465; set moe.experts beside it (64 in the paper).
constexpr Preset kPresets[] = {
    {"tiny", 64, 256, 4, 2, 2},       {"small", 256, 1024, 4, 4, 2},         {"base", 512, 2048, 8, 6, 6},
    {"large", 1024, 4096, 16, 12, 6}, {"z-code-m3", 1024, 4096, 16, 24, 12},
};

}  // namespace

void apply_preset(ModelOptions& model, const std::string& name) {
  for (const Preset& preset : kPresets) {
    if (name != preset.name) continue;
    model.preset = name;
    model.hidden = preset.hidden;
    model.ffn = preset.ffn;
    model.heads = preset.heads;
    model.encoder_layers = preset.encoder_layers;
    model.decoder_layers = preset.decoder_layers;
    return;
  }
  fail("model.preset: no preset is named '{}'", name);
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

}  // namespace polymoe
