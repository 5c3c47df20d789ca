#include <memory>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/interchange/export.h"
#include "polymoe/interchange/import.h"

namespace polymoe::cli {
namespace {

constexpr const char* kImportFooter =
    "Reads what `save_pretrained` of transformers wrote, or what was downloaded from its hub: config.json,\n"
    "generation_config.json, weights (model.safetensors or pytorch_model.bin, whole or in shards) and the tokenizer's\n"
    "files. Classes: M2M100ForConditionalGeneration (M2M100, NLLB-200), MarianMTModel (OPUS-MT) and\n"
    "NllbMoeForConditionalGeneration (NLLB-MoE). Nothing in a pickle is run. The weights keep their values and types;\n"
    "one tensor is in memory at a time. The result is a checkpoint; its path is printed (docs/interchange.md).\n\n"
    "Example: translate with NLLB-200\n"
    "  polymoe import hf nllb-200-distilled-600M --out nllb\n"
    "  echo 'A cold wind blows.' | polymoe translate --model nllb -s eng_Latn -t deu_Latn\n"
    "Train it on\n"
    "  polymoe prepare --vocab nllb/vocab.model --corpus corpus --out data\n"
    "  polymoe train --init nllb --data.path data --out tuned --max-updates 2000";

constexpr const char* kExportFooter =
    "Writes config.json, generation_config.json, model.safetensors (in shards of 5 GB) and, of an imported "
    "vocabulary,\n"
    "the tokenizer's files. The class follows from the model's options; where none has them, the message names the\n"
    "option. What was imported comes out with the same bytes.\n\n"
    "Example: give a tuned model to others\n"
    "  polymoe export hf tuned --out tuned-for-transformers\n"
    "  python3 -c 'from transformers import AutoModelForSeq2SeqLM as M; M.from_pretrained(\"tuned-for-transformers\")'";

}  // namespace

void add_import(CLI::App& app) {
  CLI::App* parent = app.add_subcommand("import", "Make a checkpoint of another program's model");
  parent->require_subcommand(1);
  CLI::App* command = parent->add_subcommand("hf", "A model folder of Hugging Face's transformers");
  const auto options = std::make_shared<ImportOptions>();
  command->add_option("PATH", options->folder, "the model's folder")->required()->type_name("DIR");
  command->add_option("--out,-o", options->output, "folder for the new checkpoint")->required()->type_name("DIR");
  command->footer(kImportFooter);
  command->callback([options] {
    import_model(*options, console_progress());
    fmt::print("{}\n", options->output.string());
  });
}

void add_export(CLI::App& app) {
  CLI::App* parent = app.add_subcommand("export", "Write a model for another program");
  parent->require_subcommand(1);
  CLI::App* command = parent->add_subcommand("hf", "A model folder of Hugging Face's transformers");
  const auto options = std::make_shared<ExportOptions>();
  command->add_option("PATH", options->checkpoint, "a checkpoint, or a run folder, which stands for its best one")
      ->required()
      ->type_name("DIR");
  command->add_option("--out,-o", options->output, "folder to make")->required()->type_name("DIR");
  command->footer(kExportFooter);
  command->callback([options] {
    export_model(*options, console_progress());
    fmt::print("{}\n", options->output.string());
  });
}

}  // namespace polymoe::cli
