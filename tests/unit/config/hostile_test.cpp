#include <gtest/gtest.h>

#include "polymoe/base/random.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/merge.h"
#include "polymoe/config/sections.h"
#include "polymoe/config/yaml_reader.h"
#include "temporary_file.h"

namespace polymoe {
namespace {

/// Random damage to a configuration: bytes changed, cut out, doubled, put in.
class Damage {
 public:
  explicit Damage(std::uint64_t seed) : stream_(seed, fnv1a("damage")) {}

  std::string operator()(std::string text) {
    static const std::string pieces[] = {"{",        "}",
                                         "[",        "]",
                                         ":",        ": ",
                                         "- ",       "\n",
                                         "  ",       "\t",
                                         "\"",       "'",
                                         "&a ",      "*a",
                                         "!x ",      "#",
                                         "|",        ">",
                                         "? ",       "%",
                                         "---\n",    "...\n",
                                         "~",        "null",
                                         "\\",       "<<",
                                         ",",        "1e999",
                                         "-1",       std::string(1, '\0'),
                                         "\xff",     "\xef\xbb\xbf",
                                         "model:\n", "hidden: 1\n"};
    for (std::uint64_t i = 1 + below(6); i > 0 && !text.empty(); --i) {
      const std::size_t at = below(text.size());
      const std::size_t length = below(std::min<std::size_t>(text.size() - at, 40) + 1);
      switch (below(5)) {
        case 0:
          text[at] = static_cast<char>(below(256));
          break;
        case 1:
          text.erase(at, length);
          break;
        case 2:
          text.insert(below(text.size()), text.substr(at, length));
          break;
        case 3:
          text.insert(at, pieces[below(std::size(pieces))]);
          break;
        default:
          text.resize(at);  // the file ends early
      }
    }
    return text;
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return stream_.below(next_++, bound); }

  RandomStream stream_;
  std::uint64_t next_ = 0;
};

/// The values that a configuration sets, or throws Error.
std::string merged(const std::string& yaml) {
  PlannerOptions options;
  std::vector<Section> sections = sections_of(options);
  for (const Assignment& assignment : parse_yaml(yaml, "run.yaml")) set_option(sections, assignment);
  return dump_yaml(sections);
}

TEST(HostileConfiguration, GivesAClearErrorOrValuesThatAreAllowed) {
  const std::string whole =
      "# a run\nmodel:\n  preset: tiny\n  hidden: 64\n  moe: {experts: 8, top-k: 2}\ndata:\n  directions:\n    - "
      "en-de\n"
      "    - \"*-en\"\ntrain:\n  output: 'runs/one'\n  label-smoothing: 0.1\n  tensorboard: false\n";
  int errors = 0, accepted = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const std::string yaml = Damage(seed)(whole);
    try {
      const std::string dump = merged(yaml);
      EXPECT_EQ(merged(dump), dump) << yaml;
      ++accepted;
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(message.rfind("run.yaml", 0), 0u) << message;
      EXPECT_LT(message.size(), 500u);
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      ++errors;
    }
  }
  // Damage of either kind must have been tried.
  EXPECT_GT(errors, 200);
  EXPECT_GT(accepted, 50);
}

TEST(HostileConfiguration, EveryBeginningOfAFileIsReadOrRefused) {
  RunOptions options;
  const std::string whole = dump_yaml(sections_of(options));
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    const std::string message = error_of([&] { merged(whole.substr(0, size)); });
    const bool fine = message == "no error" || message.rfind("run.yaml:", 0) == 0;
    EXPECT_TRUE(fine) << size << " bytes: " << message;
  }
}

}  // namespace
}  // namespace polymoe
