#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "polymoe/base/files.h"
#include "polymoe/base/log.h"
#include "polymoe/base/remarks.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/text/corpus.h"
#include "polymoe/text/sample.h"
#include "polymoe/text/vocabulary.h"
#include "polymoe/text/vocabulary_target.h"

namespace polymoe::cli {
namespace {

struct Options {
  std::vector<std::string> corpora;
  std::string out;
  std::vector<std::string> tasks;
  VocabularyOptions vocabulary;
  SampleOptions sample;
  CorpusChecks checks;
};

// The tasks that were named, and those of the corpora.
void add_tasks(std::vector<std::string>& tasks, const std::vector<std::string>& named,
               const std::vector<CorpusSpec>& corpora) {
  const auto add = [&](const std::string& task) {
    if (std::find(tasks.begin(), tasks.end(), task) == tasks.end()) tasks.push_back(task);
  };
  for (const std::string& task : named) add(task);
  for (const CorpusSpec& corpus : corpora) {
    if (!corpus.task.empty()) add(corpus.task);
  }
}

void run_vocab(Options& options) {
  const std::vector<CorpusSpec> corpora = parse_corpora(options.corpora);
  add_tasks(options.vocabulary.tasks, options.tasks, corpora);
  check_vocabulary_target(options.out, corpora);
  const Sample sample = sample_sentences(corpora, options.checks, options.sample, console_progress());
  remark_left_out(sample, corpora);
  log_info("learning {} ids from {} sentences", options.vocabulary.size, sample.sentences.size());
  const std::string model = train_vocabulary(options.vocabulary, sample.languages, sample.sentences);
  const Vocabulary vocabulary = Vocabulary::parse(model, options.out);
  remark_unwritable(sample.characters, vocabulary);
  write_file(options.out, model);

  fmt::print("{:<10} {:>12} {:>12} {:>12} {:>10}\n", "language", "sentences", "learned from", "unusable", "changed");
  for (const std::string& language : sample.languages) {
    fmt::print("{:<10} {:>12} {:>12} {:>12} {:>10}\n", language,
               sample.available.at(language) + sample.unlearned.at(language), sample.taken.at(language),
               sample.unlearned.at(language), count_unwritable(sample.characters.at(language), vocabulary));
  }
  fmt::print("{}: {} ids, {} languages, task tags: {}\n", options.out, vocabulary.size(), sample.languages.size(),
             fmt::join(options.vocabulary.tasks, ", "));
}

}  // namespace

void add_vocab(CLI::App& app) {
  CLI::App* command = app.add_subcommand("vocab", "Learn a SentencePiece vocabulary with language and task tags");
  auto options = std::make_shared<Options>();
  command->add_option("--corpus", options->corpora, "corpus to read, in the notation below; more may follow")
      ->required()
      ->type_name("SPEC");
  command->add_option("--out", options->out, "file to write; an older vocabulary there is replaced")
      ->required()
      ->type_name("FILE");
  command->add_option("--size", options->vocabulary.size, "ids in all, special symbols included")
      ->check(CLI::Range(16, 1 << 24))
      ->capture_default_str();
  command->add_option("--max-sentences", options->sample.max_sentences, "sentences to learn from, over all languages")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  command
      ->add_option("--temperature", options->sample.temperature,
                   "languages share in the sentences in proportion to size^(1/temperature)")
      ->check(CLI::Range(0.01, 1e6))
      ->capture_default_str();
  command->add_option("--model-type", options->vocabulary.model_type, "how pieces are chosen")
      ->check(CLI::IsMember({"unigram", "bpe"}))
      ->capture_default_str();
  command
      ->add_option("--character-coverage", options->vocabulary.character_coverage,
                   "share of the characters that get pieces of their own")
      ->check(CLI::Range(kLeastCharacterCoverage, 1.0))
      ->capture_default_str();
  command
      ->add_option("--normalization", options->vocabulary.normalization,
                   "how characters are unified before they are encoded; identity leaves them as they are")
      ->check(CLI::IsMember({"nmt_nfkc", "nfkc", "identity"}))
      ->capture_default_str();
  command
      ->add_option("--task", options->tasks,
                   "also a tag for a task that the corpora here do not hold, for later; more may follow")
      ->type_name("NAME");
  command->add_flag("--byte-fallback", options->vocabulary.byte_fallback,
                    "spell unknown characters in bytes, so that no text is lost");
  command->add_option("--seed", options->sample.seed, "seed of the sample")->capture_default_str();
  command->add_flag("--skip-bad", options->checks.skip_bad, "pass over bad lines instead of stopping at the first");
  command->footer(
      std::string(kCorpusNotation) +
      "\nThe table on standard output: unusable are sentences that SentencePiece cannot learn from, changed is\n"
      "the number of characters that the normalisation changes or removes, so that no model can write them.\n"
      "With --strict nothing is written where anything is skipped or lost.");
  command->callback([options] { run_vocab(*options); });
}

}  // namespace polymoe::cli
