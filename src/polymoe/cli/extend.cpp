#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/surgery/extend.h"

namespace polymoe::cli {
namespace {

struct ExtendArguments {
  ExtendOptions options;
  std::vector<std::string> languages;
};

void run_extend(ExtendArguments arguments) {
  ExtendOptions& options = arguments.options;
  if (arguments.languages.empty() && options.pieces.empty()) fail("say what to add: --languages, --pieces or both");
  for (const std::string& language : arguments.languages) options.languages.push_back(NewLanguage::parse(language));
  const ExtendReport report = extend(options, console_progress());
  fmt::print("{:<12} {}\n", "checkpoint", one_line(options.output.string()));
  fmt::print("{:<12} {}\n", "languages",
             arguments.languages.empty() ? "none" : fmt::to_string(fmt::join(arguments.languages, " ")));
  fmt::print("{:<12} {}\n", "pieces", report.pieces.size());
  fmt::print("{:<12} {} before, {} after\n", "ids", report.ids_before, report.ids_after);
}

constexpr const char* kExtendFooter =
    "Adds languages and pieces of words to a model's vocabulary and embedding, its own or an imported one. What was\n"
    "there keeps its values: a text without new pieces is read and translated as before. The tag of a new language\n"
    "begins as that of a language it is like, or as the mean of several (gcf=fr+ht), or of all where none is named; a\n"
    "new piece as the mean of those that the vocabulary made of it. The model must be trained on text with them\n"
    "(docs/interchange.md).\n\n"
    "A list of pieces has one a line, as SentencePiece writes them: with \xE2\x96\x81 in front where a word begins. A "
    "vocabulary\n"
    "that `polymoe vocab` learned from text of the new language is such a list too.\n\n"
    "Example: Asturian, beginning as Spanish, with pieces from text of it\n"
    "  polymoe vocab --corpus train:mono:ast=news.ast --size 4000 --out ast.model\n"
    "  polymoe extend nllb --languages ast=es --pieces ast.model --out more\n"
    "  polymoe prepare --vocab more/vocab.model --corpus corpus --out data\n"
    "  polymoe train --init more --data.path data --out tuned --max-updates 5000";

}  // namespace

void add_extend(CLI::App& app) {
  CLI::App* command = app.add_subcommand("extend", "Add languages and pieces to a model's vocabulary");
  const auto arguments = std::make_shared<ExtendArguments>();
  ExtendOptions& options = arguments->options;
  command->add_option("PATH", options.checkpoint, "a checkpoint, or a run folder, which stands for its best one")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--languages", arguments->languages,
                   "new languages, each with those whose tags it begins as: ast=es,gcf=fr+ht,xx")
      ->delimiter(',')
      ->option_text("LIST");
  command
      ->add_option("--pieces", options.pieces, "new pieces: a list with one a line, or a vocabulary; more may follow")
      ->type_name("FILE");
  command->add_option("--out,-o", options.output, "folder for the new checkpoint")->required()->type_name("DIR");
  command->footer(kExtendFooter);
  command->callback([arguments] { run_extend(*arguments); });
}

}  // namespace polymoe::cli
