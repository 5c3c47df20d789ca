#include "polymoe/cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>

#include <CLI/CLI.hpp>

#include "polymoe/cli/help.h"
#include "polymoe/cli/usage.h"
#include "unit/config/temporary_file.h"

namespace polymoe::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// A program with a subcommand that has every section and one that has the decoder's.
class Program {
 public:
  Program() {
    app_.require_subcommand(1);
    train_->fallthrough();
    app_.add_flag("--verbose");
  }

  /// Parses and merges. Throws what parsing and merging throw.
  const RunOptions& run(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app_.parse(arguments);
    return (*train_ ? train_binder_ : translate_binder_).finish();
  }

  std::string usage(std::vector<std::string> arguments) {
    try {
      run(std::move(arguments));
    } catch (const CLI::ParseError& error) {
      return usage_error(app_, error);
    }
    return "no usage error";
  }

  CLI::App app_{"", "polymoe"};
  CLI::App* train_ = app_.add_subcommand("train");
  CLI::App* translate_ = app_.add_subcommand("translate");
  OptionBinder train_binder_{*train_};
  OptionBinder translate_binder_{*translate_, {"decode"}};
};

RunOptions run(const std::vector<std::string>& arguments) { return Program().run(arguments); }

TEST(OptionBinder, TakesFullAndShortNames) {
  const RunOptions options =
      run({"train", "--hidden", "64", "--model.ffn=128", "--model.moe.experts", "4", "--top-k=2", "--norm", "post"});
  EXPECT_EQ(options.model.hidden, 64);
  EXPECT_EQ(options.model.ffn, 128);
  EXPECT_EQ(options.model.moe.experts, 4);
  EXPECT_EQ(options.model.moe.top_k, 2);
  EXPECT_EQ(options.model.norm, NormOrder::kPost);
}

TEST(OptionBinder, GivesASharedNameToTheFirstSection) {
  const RunOptions options = run({"train", "--max-tokens", "999", "--decode.max-tokens", "888"});
  EXPECT_EQ(options.train.max_tokens, 999);
  EXPECT_EQ(options.decode.max_tokens, 888);
  EXPECT_EQ(run({"translate", "--max-tokens", "777"}).decode.max_tokens, 777);
}

TEST(OptionBinder, LeavesANameToTheSubcommandThatHasIt) {
  CLI::App app;
  std::string output;
  app.add_option("--output", output);
  OptionBinder binder(app);
  app.parse("--output mine --train.output theirs");
  EXPECT_EQ(binder.finish().train.output, "theirs");
  EXPECT_EQ(output, "mine");
}

TEST(OptionBinder, GivesAKeyOneMoreName) {
  for (const char* name : {"--out", "--output", "--train.output"}) {
    CLI::App app;
    OptionBinder binder(app, {}, {}, {{"train.output", "out"}});
    app.parse(std::string(name) + " run");
    EXPECT_EQ(binder.finish().train.output, "run") << name;
  }
}

TEST(OptionBinder, TakesEveryFormOfTruth) {
  const std::pair<const char*, bool> cases[] = {
      {"--tensorboard", true},           {"--tensorboard=true", true},  {"--tensorboard=false", false},
      {"--tensorboard=off", false},      {"--no-tensorboard", false},   {"--train.tensorboard=no", false},
      {"--train.no-tensorboard", false}, {"--train.tensorboard", true},
  };
  for (const auto& [argument, expected] : cases) {
    EXPECT_EQ(run({"train", argument}).train.tensorboard, expected) << argument;
  }
  EXPECT_TRUE(run({"train", "--no-tensorboard", "--tensorboard"}).train.tensorboard);
  EXPECT_THAT(error_of([] {
                run({"train", "--tensorboard=maybe"});
              }),
              HasSubstr("train.tensorboard: 'maybe' is neither true nor false"));
}

TEST(OptionBinder, TakesListsRepeatedOrWithCommas) {
  EXPECT_THAT(run({"train", "--directions", "en-de,de-en", "--data.directions", "fr-en"}).data.directions,
              ElementsAre("en-de", "de-en", "fr-en"));
  EXPECT_THAT(run({"train", "--directions", "", "--seed", "2"}).data.directions, ElementsAre());
}

TEST(OptionBinder, TheLastOfARepeatedOptionCounts) {
  EXPECT_EQ(run({"train", "--seed", "2", "--train.seed", "3"}).train.seed, 3);
}

TEST(OptionBinder, TheCommandLineWinsOverTheFile) {
  const TemporaryFile file("model: {hidden: 128, ffn: 256}\n");
  Program program;
  const RunOptions& options = program.run({"train", "--hidden", "64", "--config", file.path()});
  EXPECT_EQ(options.model.hidden, 64);
  EXPECT_EQ(options.model.ffn, 256);
  EXPECT_EQ(program.train_binder_.given().at("model.hidden").path, "command line");
  EXPECT_EQ(program.train_binder_.given().at("model.ffn").path, file.path());
}

TEST(OptionBinder, TakesTheKeyOfOlderVersions) {
  Program program;
  EXPECT_EQ(program.run({"train", "--parallel.model", "2"}).parallel.tensor, 2);
  EXPECT_EQ(program.train_binder_.given().at("parallel.tensor").path, "command line");
}

TEST(OptionBinder, KeysBesideAPresetWin) {
  const RunOptions options = run({"train", "--ffn", "333", "--preset", "tiny"});
  EXPECT_EQ(options.model.hidden, 64);
  EXPECT_EQ(options.model.ffn, 333);
}

TEST(OptionBinder, AFileOfATrainingRunServesTheDecoder) {
  const TemporaryFile file("model: {preset: tiny}\ndecode: {beam-size: 9}\n");
  Program program;
  EXPECT_EQ(program.run({"translate", "--config", file.path()}).decode.beam_size, 9);
  EXPECT_THAT(program.translate_binder_.dump(), HasSubstr("beam-size: 9"));
  EXPECT_THAT(program.translate_binder_.dump(), Not(HasSubstr("model:")));
  EXPECT_THAT(Program().usage({"translate", "--hidden", "3"}), HasSubstr("unknown option '--hidden'"));
}

TEST(OptionBinder, ValuesAreCheckedAgainstTheTables) {
  EXPECT_EQ(error_of([] {
              run({"train", "--hidden", "abc"});
            }),
            "command line: model.hidden: 'abc' is not a whole number");
  EXPECT_EQ(error_of([] {
              run({"train", "--max-minutes", "-1"});
            }),
            "command line: train.max-minutes: '-1' is out of range; give a number of at least 0");
}

TEST(OptionBinder, DumpsAConfigurationThatLoadsBack) {
  Program program;
  program.run({"train", "--dump-config", "--preset", "tiny", "--directions", "*-en", "--epsilon", "1e-7"});
  EXPECT_TRUE(program.train_binder_.dump_requested());
  const std::string dump = program.train_binder_.dump();
  const TemporaryFile file(dump);
  Program second;
  second.run({"train", "--config", file.path()});
  EXPECT_FALSE(second.train_binder_.dump_requested());
  EXPECT_EQ(second.train_binder_.dump(), dump);
}

TEST(OptionBinder, HelpShowsShortNamesDefaultsAndChoices) {
  Program program;
  const std::string help = program.train_->help();
  EXPECT_THAT(help, HasSubstr("\n  --hidden N (512) "));
  EXPECT_THAT(help, HasSubstr("--norm WORD (pre)"));
  EXPECT_THAT(help, HasSubstr("layer norm before or after each block: pre, post"));
  EXPECT_THAT(help, HasSubstr("--tensorboard,--no-tensorboard (true)"));
  EXPECT_THAT(help, HasSubstr("--decode.max-tokens N (4096)"));
  EXPECT_THAT(help, HasSubstr("each also as --model.moe.NAME"));
  EXPECT_THAT(help, Not(HasSubstr("--model.hidden")));
}

TEST(Help, LeavesOutWhatCli11AddsToTypes) {
  CLI::App app;
  app.formatter(help_formatter());
  std::int64_t size = 8;
  std::string kind = "bpe";
  app.add_option("--size", size, "how many")->check(CLI::Range(1, 9))->capture_default_str();
  app.add_option("--kind", kind, "which")->check(CLI::IsMember({"unigram", "bpe"}))->required();
  EXPECT_THAT(app.help(), HasSubstr("--size INT (8) "));
  EXPECT_THAT(app.help(), HasSubstr("--kind {unigram,bpe} REQUIRED "));
}

TEST(UsageError, NamesTheNearestOption) {
  EXPECT_EQ(Program().usage({"train", "--hiden", "3"}), "unknown option '--hiden'; did you mean '--hidden'?");
  EXPECT_EQ(Program().usage({"train", "--label_smoothing=0.2"}),
            "unknown option '--label_smoothing'; did you mean '--label-smoothing'?");
  EXPECT_EQ(Program().usage({"train", "--normalise-gates"}),
            "unknown option '--normalise-gates'; did you mean '--normalize-gates'?");
  EXPECT_EQ(Program().usage({"train", "--model.hiden", "3"}),
            "unknown option '--model.hiden'; did you mean '--model.hidden'?");
  EXPECT_EQ(Program().usage({"train", "--verbos"}), "unknown option '--verbos'; did you mean '--verbose'?");
  EXPECT_EQ(Program().usage({"train", "--qqqqqqqq"}), "unknown option '--qqqqqqqq'; see `polymoe train --help`");
  EXPECT_EQ(Program().usage({"train", "-q"}), "unknown option '-q'; see `polymoe train --help`");
}

TEST(UsageError, NamesTheNearestSubcommand) {
  EXPECT_EQ(Program().usage({"trian"}), "unknown subcommand 'trian'; did you mean 'train'?");
  EXPECT_EQ(Program().usage({"qqq"}), "unknown subcommand 'qqq'; see `polymoe --help`");
  EXPECT_EQ(Program().usage({}), "a subcommand is missing: train, translate; see `polymoe --help`");
}

TEST(UsageError, NamesMissingValuesAndStrayArguments) {
  EXPECT_EQ(Program().usage({"train", "--hidden"}), "--hidden needs a value; see `polymoe train --help`");
  EXPECT_EQ(Program().usage({"train", "stray"}), "unexpected argument 'stray'; see `polymoe train --help`");
}

}  // namespace
}  // namespace polymoe::cli
