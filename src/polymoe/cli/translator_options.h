#pragma once

#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

#include "polymoe/decode/translator.h"

/// What commands that decode with a model are told about it.
namespace polymoe::cli {

/// How a model is held, and what computes with it.
struct Placement {
  std::string precision = "auto";
  std::string device = "cpu";
  std::int64_t threads = 0;  ///< 0: one for each core
  bool verify = true;        ///< compare the checkpoint's checksums
};

/// --precision, --device, --threads and --no-verify.
void add_placement(CLI::App& app, Placement& placement);

/// Computes on so many threads from now on; 0: one for each core.
void use_threads(std::int64_t threads);

/// `vocabulary`: empty for the one beside the checkpoint. See Translator::load().
Translator load_translator(const std::string& model, const std::string& vocabulary, const DecodeOptions& options,
                           const Placement& placement);

/// A model, and what it is to do.
struct ModelTask {
  std::string model;
  std::string vocabulary;
  std::string source, target;  ///< languages
  std::string task = "translation";
  Placement placement = {};
};

/// --model, --vocab, --source-language, --target-language and --task; the placement has options of its own.
void add_model_task(CLI::App& app, ModelTask& asked);

/// Loads the model on the threads that are asked for. Throws Error for an unknown language or task.
Translator load_translator(const ModelTask& asked, const DecodeOptions& options);

/// The direction by the vocabulary's own names of its languages. Remarks where the run that wrote the checkpoint did
/// not train it for this.
Direction check_direction(const Translator& translator, const ModelTask& asked);

}  // namespace polymoe::cli
