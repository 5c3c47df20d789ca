#include <set>

#include <fmt/core.h>

#include "polymoe/base/numbers.h"
#include "polymoe/report/html.h"
#include "polymoe/report/sections.h"

namespace polymoe {

std::string task_scores(const std::vector<RunMetrics>& runs) {
  std::set<std::string> tasks;
  for (const RunMetrics& run : runs) {
    if (run.best() == nullptr) continue;
    for (const auto& [task, scores] : run.best()->tasks) tasks.insert(task);
  }
  if (tasks.size() < 2) return "";  // one task's scores stand above
  Table table;
  table.caption = "Scores by task; chrF and ROUGE (F) are means over a task's directions";
  table.header = {"task", "segments", "loss", "chrF", "ROUGE-1", "ROUGE-2", "ROUGE-L"};
  for (const std::string& task : tasks) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (runs[i].best() == nullptr || !runs[i].best()->tasks.contains(task)) continue;
      const TaskScores& scores = runs[i].best()->tasks.at(task);
      const std::string name = escape_html(task) + (runs.size() > 1 ? ", " + run_label(runs, i) : "");
      table.rows.push_back({name, with_commas(scores.segments), with_decimals(scores.loss, 3),
                            with_decimals(scores.chrf, 1), with_decimals(scores.rouge1, 1),
                            with_decimals(scores.rouge2, 1), with_decimals(scores.rouge_l, 1)});
    }
  }
  return render(table);
}

}  // namespace polymoe
