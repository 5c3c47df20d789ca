#include "polymoe/metrics/log_line.h"

#include <cmath>

#include <fmt/core.h>

#include "polymoe/base/numbers.h"

namespace polymoe {
namespace {

class Line {
 public:
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    if (!text_.empty()) text_ += " | ";
    text_ += fmt::format(format, std::forward<Args>(args)...);
  }
  /// Where there is such a number.
  void add_any(const char* name, double value, int decimals) {
    if (!std::isnan(value)) add("{} {:.{}f}", name, value, decimals);
  }
  /// The loss of each task, where there are several.
  template <typename Task>
  void add_tasks(const std::map<std::string, Task>& tasks) {
    if (tasks.size() < 2) return;
    for (const auto& [name, task] : tasks) add("{} {:.3f}", name, task.loss);
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string line_of(const TrainRecord& record) {
  Line line;
  line.add("update {}", with_commas(record.update));
  line.add("loss {:.3f}", record.loss);
  line.add("nll {:.3f}", record.nll);
  line.add_tasks(record.tasks);
  line.add_any("balance", record.balance_loss, 3);
  line.add("lr {:.2e}", record.learning_rate);
  line.add("grad {:.2f}", record.gradient_norm);
  line.add("{} tokens/s", with_commas(record.tokens_per_second));
  return line.text();
}

std::string line_of(const ValidRecord& record) {
  Line line;
  line.add("update {}", with_commas(record.update));
  line.add("valid loss {:.3f}", record.loss);
  line.add("nll {:.3f}", record.nll);
  line.add_tasks(record.tasks);
  line.add_any("BLEU", record.bleu, 2);
  line.add_any("chrF", record.chrf, 2);
  if (record.best) line.add("best so far");
  return line.text();
}

template <typename Record>
std::string line_of(const Record&) {
  return "";
}

}  // namespace

std::string log_line(const MetricsRecord& record) {
  return std::visit([](const auto& known) { return line_of(known); }, record);
}

}  // namespace polymoe
