#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "polymoe/base/files.h"
#include "polymoe/config/run_options.h"
#include "polymoe/data/prepare.h"
#include "polymoe/text/corpus.h"
#include "polymoe/text/vocabulary.h"
#include "support/device.h"

namespace polymoe {

/// Small datasets, options for trainings on them, and a folder for both that goes away with the test.
class TrainingTest : public ::testing::Test {
 protected:
  TrainingTest() : folder_(std::filesystem::temp_directory_path() / fmt::format("polymoe-trainer-{}", getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~TrainingTest() override { std::filesystem::remove_all(folder_); }

  // A dataset of the given parallel lines.
  void make_data(const std::map<std::string, std::vector<std::string>>& train,
                 const std::map<std::string, std::vector<std::string>>& valid, std::int64_t vocabulary_size) {
    std::vector<std::string> languages, sentences;
    std::string train_files = "train:files:", valid_files = "valid:files:";
    for (const auto& [language, lines] : train) {
      languages.push_back(language);
      sentences.insert(sentences.end(), lines.begin(), lines.end());
      train_files += fmt::format("{}={},", language, write_lines("train." + language, lines));
      valid_files += fmt::format("{}={},", language, write_lines("valid." + language, valid.at(language)));
    }
    train_files.pop_back();
    valid_files.pop_back();
    VocabularyOptions vocabulary;
    vocabulary.size = vocabulary_size;
    vocabulary.character_coverage = 1.0;
    write_file(folder_ / "vocab.model", train_vocabulary(vocabulary, languages, sentences));
    PrepareOptions options;
    options.vocabulary = folder_ / "vocab.model";
    options.out = folder_ / "data";
    options.corpora = parse_corpora({train_files, valid_files});
    prepare(options);
  }

  // Numbers in two "languages": words and digits backwards.
  void make_number_data(const std::vector<std::string>& digits = {"zero", "one", "two", "three", "four", "five", "six",
                                                                  "seven", "eight", "nine"}) {
    std::map<std::string, std::vector<std::string>> train, valid;
    for (int n = 0; n < 400; ++n) {
      auto& split = n % 10 == 0 ? valid : train;
      const int a = n / 100, b = n / 10 % 10, c = n % 10;
      split["en"].push_back(fmt::format("{} {} {}", digits[a], digits[b], digits[c]));
      split["xx"].push_back(fmt::format("{} {} {}", c, b, a));
    }
    make_data(train, valid, 54);
  }

  RunOptions run_options(const std::string& name) const {
    RunOptions options;
    options.model.hidden = 32;
    options.model.ffn = 64;
    options.model.heads = 4;
    options.model.encoder_layers = 2;
    options.model.decoder_layers = 2;
    options.model.moe.experts = 4;
    options.data.path = folder_ / "data";
    options.data.denoising_weight = 0.2;
    options.data.max_length = 32;
    options.data.bucket_examples = 50;
    options.train.output = folder_ / name;
    options.train.device = from_word<DeviceKind>(test_device_name());
    options.train.max_tokens = 200;
    options.train.micro_batches = 2;
    options.train.max_updates = 12;
    options.train.save_freq = 0;
    options.train.valid_freq = 0;
    options.train.valid_examples = 10;
    options.train.log_freq = 1;
    options.optimizer.warmup_updates = 5;
    return options;
  }

  std::string write_lines(const std::string& name, const std::vector<std::string>& lines) const {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    write_file(folder_ / name, text);
    return folder_ / name;
  }

  std::filesystem::path folder_;
};

}  // namespace polymoe
