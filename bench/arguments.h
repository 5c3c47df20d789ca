#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <fmt/core.h>

namespace polymoe::bench {

/// `--name value` options of a benchmark, each a number with a default; "--json" is accepted and changes nothing.
class Arguments {
 public:
  Arguments(int argc, char** argv, std::map<std::string, double> defaults) : values_(std::move(defaults)) {
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (name == "--json") continue;
      const auto found = name.size() > 2 ? values_.find(name.substr(2)) : values_.end();
      if (found == values_.end() || i + 1 == argc) {
        fmt::print(stderr, "usage: {} [--json] [--name number]...; names and defaults:\n", argv[0]);
        for (const auto& [key, value] : values_) fmt::print(stderr, "  --{} {}\n", key, value);
        std::exit(2);
      }
      found->second = std::atof(argv[++i]);
    }
  }

  double real(const std::string& name) const { return values_.at(name); }
  std::int64_t number(const std::string& name) const { return static_cast<std::int64_t>(values_.at(name)); }

 private:
  std::map<std::string, double> values_;
};

/// Seconds that `f` takes.
template <typename Function>
double seconds_of(const Function& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace polymoe::bench
