#include "polymoe/cli/translator_options.h"

#include <fmt/core.h>

#include "polymoe/base/remarks.h"
#include "polymoe/cli/options.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe::cli {

void add_placement(CLI::App& app, Placement& placement) {
  app.add_option(
         "--precision", placement.precision,
         "number format of the weights; auto: int8 or int4 where the checkpoint has it, else float32; int8 is for the "
         "CPU, a quarter of the memory and the fastest; int4, for models with experts, is int8 with experts of "
         "half that size")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16", "float16", "int8", "int4"}))
      ->capture_default_str();
  add_device(app, placement.device);
  app.add_option("--threads", placement.threads, "CPU threads, which decode a batch each; 0: one for each core")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{4096}))
      ->capture_default_str();
  add_no_verify(app, placement.verify);
}

void use_threads(std::int64_t threads) {
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

Translator load_translator(const std::string& model, const std::string& vocabulary, const DecodeOptions& options,
                           const Placement& placement) {
  return Translator::load(model, vocabulary, options, placement.precision, placement.device,
                          placement.verify ? Check::kValues : Check::kHeaders);
}

void add_model_task(CLI::App& app, ModelTask& asked) {
  app.add_option("--model", asked.model, "run folder or checkpoint; a run folder means its best checkpoint")
      ->required()
      ->type_name("DIR");
  app.add_option("--vocab", asked.vocabulary, "vocabulary, where it does not lie beside the checkpoint")
      ->type_name("FILE");
  app.add_option("--source-language,-s", asked.source, "language of the source text, e.g. en")->required();
  app.add_option("--target-language,-t", asked.target, "language of the translations, e.g. de")->required();
  app.add_option("--task", asked.task, "translation, or another task that the model was trained for")
      ->capture_default_str()
      ->type_name("NAME");
}

Translator load_translator(const ModelTask& asked, const DecodeOptions& options) {
  use_threads(asked.placement.threads);
  Translator translator = load_translator(asked.model, asked.vocabulary, options, asked.placement);
  parse_task(asked.task, translator.vocabulary());
  return translator;
}

Direction check_direction(const Translator& translator, const ModelTask& asked) {
  Direction direction = translator.direction(asked.source, asked.target);
  if (translator.trained_directions({direction}, asked.task).empty()) {
    remark(fmt::format("the model was not trained for {} {}", asked.task, direction.name()), {asked.model, 0},
           "what it writes may be of little use");
  }
  return direction;
}

}  // namespace polymoe::cli
