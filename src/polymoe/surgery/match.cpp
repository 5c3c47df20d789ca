#include "polymoe/surgery/match.h"

#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "polymoe/base/error.h"
#include "polymoe/checkpoint/expert_name.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/sections.h"

namespace polymoe {
namespace {

// The shapes of a group by name; sizes of -1 may differ.
using Shapes = std::map<std::string, std::vector<std::int64_t>>;

Shapes shapes_of(const Source& source, std::string_view group, ExpertCounts experts) {
  const Checkpoint& checkpoint = source.checkpoint;
  Shapes shapes;
  for (const std::string& name : checkpoint.names(group)) {
    std::vector<std::int64_t> shape = checkpoint.spec(group, name).shape;
    std::string key = name;
    if (experts == ExpertCounts::kAnyNumber) {
      // All experts of a layer count as its first one.
      if (auto expert = parse_expert_name(name)) {
        expert->expert = 0;
        key = expert->text();
      } else if (layer_of_gate(name) && !shape.empty()) {
        shape[0] = -1;
      }
    }
    const auto [place, is_new] = shapes.emplace(key, shape);
    if (is_new || place->second == shape) continue;
    throw Error(fmt::format("tensor '{}' has shape {}, that of other experts of its layer {}", name,
                            fmt::join(shape, "x"), fmt::join(place->second, "x")),
                {source.path(), 0});
  }
  return shapes;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(size < 0 ? "any" : std::to_string(size));
  return sizes.empty() ? "of one number" : fmt::format("{}", fmt::join(sizes, "x"));
}

constexpr const char* kRemedy = "only models of the same sizes can become one";

void compare(const Source& first, const Shapes& expected, const Source& other, const Shapes& got) {
  std::set<std::string> names;
  for (const Shapes* shapes : {&expected, &got}) {
    for (const auto& [name, shape] : *shapes) names.insert(name);
  }
  for (const std::string& name : names) {
    const auto a = expected.find(name), b = got.find(name);
    if (b == got.end())
      throw Error(fmt::format("has no tensor '{}', but {} has", name, first.path()), {other.path(), 0}, kRemedy);
    if (a == expected.end()) {
      throw Error(fmt::format("has a tensor '{}', but {} has none", name, first.path()), {other.path(), 0}, kRemedy);
    }
    if (a->second == b->second) continue;
    throw Error(fmt::format("tensor '{}' has shape {}, but {} in {}", name, shape_text(b->second),
                            shape_text(a->second), first.path()),
                {other.path(), 0}, kRemedy);
  }
}

// What training may change without another model coming of it.
const std::set<std::string>& training_keys() {
  static const std::set<std::string> keys{"model.preset",
                                          "model.max-positions",
                                          "model.dropout",
                                          "model.attention-dropout",
                                          "model.activation-dropout",
                                          "model.moe.capacity",
                                          "model.moe.capacity-factor",
                                          "model.moe.final-capacity-factor",
                                          "model.moe.capacity-updates",
                                          "model.moe.eval-capacity-factor",
                                          "model.moe.min-capacity",
                                          "model.moe.random-token-selection",
                                          "model.moe.gate-noise",
                                          "model.moe.second-expert",
                                          "model.moe.output-masking",
                                          "model.moe.balance-loss",
                                          "model.moe.bias-rate",
                                          "model.moe.router-z-loss"};
  return keys;
}

std::map<std::string, std::string> model_values(RunOptions options, ExpertCounts experts) {
  std::map<std::string, std::string> values;
  for (const Section& section : sections_of(options)) {
    if (section.name != "model" && section.name != "model.moe") continue;
    for (const Field& field : section.fields) {
      const std::string key = section.name + "." + field.key;
      const bool counts_experts = key == "model.moe.experts" || key == "model.moe.experts-per-layer";
      if (training_keys().count(key) > 0 || (counts_experts && experts == ExpertCounts::kAnyNumber)) continue;
      values[key] = yaml_value(field);
    }
  }
  return values;
}

}  // namespace

void check_same_tensors(const std::vector<Source>& sources, std::string_view group, ExpertCounts experts) {
  const Shapes expected = shapes_of(sources.front(), group, experts);
  for (std::size_t i = 1; i < sources.size(); ++i) {
    compare(sources.front(), expected, sources[i], shapes_of(sources[i], group, experts));
  }
}

void check_same_model(const std::vector<Source>& sources, ExpertCounts experts) {
  const std::map<std::string, std::string> expected = model_values(sources.front().options, experts);
  for (std::size_t i = 1; i < sources.size(); ++i) {
    for (const auto& [key, value] : model_values(sources[i].options, experts)) {
      if (value == expected.at(key)) continue;
      throw Error(fmt::format("{} is {}, but {} in {}", key, value, expected.at(key), sources.front().path()),
                  {sources[i].path(), 0}, "only models of the same kind can become one");
    }
  }
}

std::optional<std::string> common_vocabulary(const std::vector<Source>& sources) {
  const Source* first = nullptr;
  for (const Source& source : sources) {
    if (!source.vocabulary) continue;
    if (first != nullptr && *first->vocabulary != *source.vocabulary) {
      throw Error(fmt::format("its vocab.model is not that of {}", first->path()), {source.path(), 0},
                  "only models of one vocabulary can become one");
    }
    if (first == nullptr) first = &source;
  }
  return first == nullptr ? std::nullopt : first->vocabulary;
}

}  // namespace polymoe
