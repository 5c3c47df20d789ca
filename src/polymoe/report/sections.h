#pragma once

#include <string>
#include <vector>

#include "polymoe/report/run_metrics.h"

/// The parts of the report, each as HTML, "" where the runs hold nothing for it. `runs` is never empty; with several,
/// each run keeps its colour (its index) all through.
namespace polymoe {

std::string summary_header(const std::vector<RunMetrics>& runs);
std::string training_section(const std::vector<RunMetrics>& runs);
std::string quality_section(const std::vector<RunMetrics>& runs);
std::string experts_section(const std::vector<RunMetrics>& runs);
std::string usage_section(const std::vector<RunMetrics>& runs);
std::string samples_section(const std::vector<RunMetrics>& runs);
std::string config_section(const std::vector<RunMetrics>& runs);

/// The table of scores by task at the best validations; "" where there is one task only.
std::string task_scores(const std::vector<RunMetrics>& runs);

/// A run's name with its colour, escaped; without the colour where there is one run only.
std::string run_label(const std::vector<RunMetrics>& runs, std::size_t index);

}  // namespace polymoe
