#include "polymoe/checkpoint/expert_name.h"

#include <charconv>

#include <fmt/format.h>

namespace polymoe {
namespace {

constexpr std::string_view kExperts = ".experts.";
constexpr std::string_view kGate = ".gate.weight";
constexpr std::string_view kOfGates[] = {kGate, ".gate.bias", ".gate.load"};

}  // namespace

std::string ExpertName::text() const { return fmt::format("{}{}{}.{}", layer, kExperts, expert, part); }

std::optional<ExpertName> parse_expert_name(std::string_view name) {
  const std::size_t at = name.find(kExperts);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = name.substr(at + kExperts.size());
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  ExpertName parsed{std::string(name.substr(0, at)), 0, std::string(rest.substr(dot + 1))};
  const auto [end, code] = std::from_chars(rest.data(), rest.data() + dot, parsed.expert);
  if (code != std::errc() || parsed.expert < 0 || end != rest.data() + dot || parsed.text() != name)
    return std::nullopt;
  return parsed;
}

std::optional<std::string> layer_of_gate(std::string_view name) {
  for (const std::string_view ending : kOfGates) {
    if (name.ends_with(ending)) return std::string(name.substr(0, name.size() - ending.size()));
  }
  return std::nullopt;
}

std::string gate_name(std::string_view layer) { return fmt::format("{}{}", layer, kGate); }

}  // namespace polymoe
