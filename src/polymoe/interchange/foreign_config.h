#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/config/model_options.h"

namespace polymoe {

struct DecodeOptions;

/// The model classes of Hugging Face's transformers that have a form here.
enum class ForeignClass {
  kM2m100,  ///< M2M100ForConditionalGeneration: M2M100, NLLB-200
  kMarian,  ///< MarianMTModel: OPUS-MT
  kNllbMoe  ///< NllbMoeForConditionalGeneration: NLLB-MoE
};
std::string_view name_of(ForeignClass kind);

/// The ids that a model's configuration knows of its vocabulary; -1: none.
struct ForeignIds {
  std::int64_t begin = -1;
  std::int64_t pad = -1;
  std::int64_t end = -1;
  std::int64_t decoder_start = -1;

  bool operator==(const ForeignIds&) const = default;
};

/// What a config.json says.
struct ForeignConfig {
  ForeignClass kind = ForeignClass::kM2m100;
  ModelOptions model;  ///< with the vocabulary's size
  ForeignIds ids;
};

/// Reads a config.json. Values that mean nothing here, or only while training, are told as remarks. Throws Error, with
/// `path` and the key, for another class, for a missing or impossible value, and for what no option of ours stands for.
ForeignConfig parse_foreign_config(const std::string& text, const std::filesystem::path& path);

/// The class that a model can be written as. Throws Error, with the option, where there is none.
ForeignClass class_for(const ModelOptions& model);

/// The config.json of a model.
nlohmann::ordered_json write_foreign_config(const ForeignConfig& config);

/// The generation_config.json that goes with it.
nlohmann::ordered_json write_generation_config(const ForeignConfig& config, const DecodeOptions& decode);

/// Takes what a generation_config.json says of the search into `decode`.
void read_generation_config(const std::string& text, const std::filesystem::path& path, DecodeOptions& decode);

}  // namespace polymoe
