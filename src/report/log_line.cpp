#include "report/log_line.h"

#include <cmath>
#include <limits>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "report/numbers.h"

namespace polymoe {
namespace {

using nlohmann::json;

/// Adds " | NAME VALUE" where the record has a number of that key.
template <typename Format>
void add(std::string& line, const json& record, const char* key, Format format) {
  const auto found = record.find(key);
  if (found == record.end() || !(found->is_number() || found->is_null())) return;
  // null stands for a number that was not finite
  const double value = found->is_null() ? std::numeric_limits<double>::quiet_NaN() : found->get<double>();
  if (!line.empty()) line += " | ";
  line += format(value);
}

/// Adds the loss of each task, where there are several.
void add_tasks(std::string& line, const json& record) {
  const auto tasks = record.find("tasks");
  if (tasks == record.end() || !tasks->is_object() || tasks->size() < 2) return;
  for (const auto& task : tasks->items()) {
    if (!task.value().is_object()) continue;
    add(line, task.value(), "loss", [&](double value) { return fmt::format("{} {:.3f}", task.key(), value); });
  }
}

}  // namespace

std::string log_line(const json& record) {
  const std::string type = record.value("type", "");
  if (type != "train" && type != "valid") return "";
  const auto named = [](const char* name, int decimals) {
    return [=](double value) { return fmt::format("{} {:.{}f}", name, value, decimals); };
  };
  std::string line;
  add(line, record, "update", [](double value) { return "update " + with_commas(value); });
  add(line, record, "loss", named(type == "valid" ? "valid loss" : "loss", 3));
  add(line, record, "nll", named("nll", 3));
  add_tasks(line, record);
  add(line, record, "balance_loss", named("balance", 3));
  add(line, record, "bleu", named("BLEU", 2));
  add(line, record, "chrf", named("chrF", 2));
  add(line, record, "learning_rate", [](double value) { return fmt::format("lr {:.2e}", value); });
  add(line, record, "gradient_norm", named("grad", 2));
  add(line, record, "tokens_per_second", [](double value) { return with_commas(value) + " tokens/s"; });
  if (type == "valid" && record.value("best", false)) line += " | best so far";
  return line;
}

}  // namespace polymoe
