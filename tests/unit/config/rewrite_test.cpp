#include "polymoe/config/rewrite.h"
#include "polymoe/config/run_options.h"
#include "polymoe/config/sections.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace polymoe {
namespace {

const Section& named(const std::vector<Section>& sections, const std::string& name) {
  for (const Section& section : sections) {
    if (section.name == name) return section;
  }
  throw std::out_of_range(name);
}

std::string with_parallel(const std::string& yaml, RunOptions options) {
  RunOptions fresh;
  return with_section(yaml, named(sections_of(options), "parallel"), named(sections_of(fresh), "parallel"));
}

RunOptions two_experts() {
  RunOptions options;
  options.parallel.expert = 2;
  options.parallel.zero_stage = 3;
  return options;
}

TEST(WithSection, ReplacesABlockAndLeavesTheRestAsItIs) {
  EXPECT_EQ(
      with_parallel("# mine\nmodel:\n  hidden: 64  # small\n\nparallel:\n  tensor: 2\n  # why\n  expert: 8\n\n# next\n"
                    "train:\n  seed: 3\n",
                    two_experts()),
      "# mine\nmodel:\n  hidden: 64  # small\n\nparallel:\n  expert: 2\n  zero-stage: 3\n\n# next\ntrain:\n"
      "  seed: 3\n");
}

TEST(WithSection, ReplacesASectionOnOneLine) {
  EXPECT_EQ(with_parallel("parallel: {expert: 8}\ntrain: {seed: 3}\n", two_experts()),
            "parallel:\n  expert: 2\n  zero-stage: 3\ntrain: {seed: 3}\n");
}

TEST(WithSection, AddsWhatIsMissingAtTheEnd) {
  EXPECT_EQ(with_parallel("train: {seed: 3}", two_experts()),
            "train: {seed: 3}\nparallel:\n  expert: 2\n  zero-stage: 3\n");
}

TEST(WithSection, LeavesOutASectionThatHasDefaultsAlone) {
  EXPECT_EQ(with_parallel("train: {seed: 3}\nparallel: {expert: 8}\n", RunOptions()), "train: {seed: 3}\n");
}

TEST(WithSection, KeepsTheLineEndsOfTheFile) {
  EXPECT_EQ(with_parallel("parallel:\r\n  tensor: 2\r\n\r\n  expert: 8\r\ntrain: {seed: 3}\r\n", two_experts()),
            "parallel:\r\n  expert: 2\r\n  zero-stage: 3\r\ntrain: {seed: 3}\r\n");
}

}  // namespace
}  // namespace polymoe
