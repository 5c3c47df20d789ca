#include "polymoe/translator.h"
#include "polymoe/config/decode_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/version.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

std::string message_of(const std::filesystem::path& model, const TranslatorOptions& options) {
  try {
    Translator translator(model, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing is wrong";
}

TEST(Library, HasTheVersionOfItsHeaders) {
  EXPECT_EQ(version(), std::to_string(POLYMOE_VERSION_MAJOR) + "." + std::to_string(POLYMOE_VERSION_MINOR) + "." +
                           std::to_string(POLYMOE_VERSION_PATCH));
}

TEST(LibraryTranslator, SearchesAsTheProgramDoesByDefault) {
  const SearchOptions ours;
  const DecodeOptions theirs;
  EXPECT_EQ(ours.beam_size, theirs.beam_size);
  EXPECT_EQ(ours.n_best, theirs.n_best);
  EXPECT_EQ(ours.length_penalty, theirs.length_penalty);
  EXPECT_EQ(ours.max_length_factor, theirs.max_length_factor);
  EXPECT_EQ(ours.max_length_offset, theirs.max_length_offset);
  EXPECT_EQ(ours.no_repeat_ngram, theirs.no_repeat_ngram);
  EXPECT_EQ(ours.repetition_penalty, theirs.repetition_penalty);
  EXPECT_EQ(ours.max_tokens, theirs.max_tokens);
  EXPECT_EQ(ours.min_length, theirs.min_length);
  EXPECT_EQ(ours.temperature, theirs.temperature);
  EXPECT_EQ(ours.top_k, theirs.top_k);
  EXPECT_EQ(ours.top_p, theirs.top_p);
  EXPECT_EQ(ours.seed, theirs.seed);
  EXPECT_EQ(ours.protect, theirs.protect == Protection::kAlways);
  EXPECT_EQ(static_cast<int>(ours.split), static_cast<int>(theirs.split_sentences));
}

TEST(LibraryTranslator, RefusesOptionsOutOfRange) {
  const testing::TemporaryFolder folder;
  EXPECT_THAT(message_of(folder.path(), {.search = {.beam_size = 0}}), ::testing::HasSubstr("decode.beam-size"));
  EXPECT_THAT(message_of(folder.path(), {.search = {.beam_size = 2, .n_best = 3}}),
              ::testing::HasSubstr("decode.n-best"));
  EXPECT_THAT(message_of(folder.path(), {.threads = -1}), ::testing::HasSubstr("-1 threads"));
  EXPECT_THAT(message_of(folder.path(), {.threads = 100'000}), ::testing::HasSubstr("100000 threads"));
}

TEST(LibraryTranslator, NamesAFolderThatHoldsNoModel) {
  const testing::TemporaryFolder folder;
  EXPECT_THAT(message_of(folder.path(), {}), ::testing::HasSubstr(folder.path().string()));
  EXPECT_THAT(message_of("", {}), ::testing::HasSubstr("is empty"));
}

}  // namespace
}  // namespace polymoe
