#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <fmt/ranges.h>

namespace polymoe::bench {

/// `--name value` options of a benchmark: numbers, each with a default, and words, each one of a list that begins with
/// the default. "--json" is accepted and changes nothing.
class Arguments {
 public:
  using Numbers = std::map<std::string, double>;
  using Words = std::map<std::string, std::vector<std::string>>;

  Arguments(int argc, char** argv, Numbers numbers, Words words = {})
      : numbers_(std::move(numbers)), words_(std::move(words)) {
    for (const auto& [name, choices] : words_) chosen_[name] = choices.front();
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (name == "--json") continue;
      if (!name.starts_with("--") || i + 1 == argc || !set(name.substr(2), argv[i + 1])) end_with_usage(argv[0]);
      ++i;
    }
  }

  double real(const std::string& name) const { return numbers_.at(name); }
  std::int64_t number(const std::string& name) const { return static_cast<std::int64_t>(numbers_.at(name)); }
  const std::string& word(const std::string& name) const { return chosen_.at(name); }

 private:
  bool set(const std::string& name, const std::string& value) {
    if (const auto found = numbers_.find(name); found != numbers_.end()) {
      found->second = std::atof(value.c_str());
      return true;
    }
    const auto found = words_.find(name);
    if (found == words_.end() || std::count(found->second.begin(), found->second.end(), value) == 0) return false;
    chosen_[name] = value;
    return true;
  }

  [[noreturn]] void end_with_usage(const char* program) const {
    fmt::print(stderr, "usage: {} [--json] [--name value]...; names and defaults:\n", program);
    for (const auto& [name, value] : numbers_) fmt::print(stderr, "  --{} {}\n", name, value);
    for (const auto& [name, choices] : words_) fmt::print(stderr, "  --{} {}\n", name, fmt::join(choices, "|"));
    std::exit(2);
  }

  Numbers numbers_;
  Words words_;
  std::map<std::string, std::string> chosen_;
};

/// A benchmark's main(): an error ends it with a line on stderr and status 1.
inline int run(void (*measure)(int, char**), int argc, char** argv) {
  try {
    measure(argc, argv);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: error: {}\n", argv[0], error.what());
    return 1;
  }
}

/// Seconds that `f` takes.
template <typename Function>
double seconds_of(const Function& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace polymoe::bench
