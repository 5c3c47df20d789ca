#include "polymoe/report/html_report.h"

#include <array>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/report/html.h"
#include "polymoe/report/sections.h"
#include "polymoe/report/style.h"

namespace polymoe {
namespace {

/// Runs of one name in different folders are told apart by their number.
void make_names_unique(std::vector<RunMetrics>& runs) {
  for (std::size_t i = 1; i < runs.size(); ++i) {
    for (std::size_t other = 0; other < i; ++other) {
      if (runs[other].name == runs[i].name) runs[i].name += fmt::format(" ({})", i + 1);
    }
  }
}

std::string page(const std::vector<RunMetrics>& runs) {
  const std::array<std::pair<const char*, std::string>, 6> parts = {{
      {"<a href=\"#training\">Training</a>", training_section(runs)},
      {"<a href=\"#quality\">Translation quality</a>", quality_section(runs)},
      {"<a href=\"#experts\">Expert load</a>", experts_section(runs)},
      {"<a href=\"#usage\">Similarity</a>", usage_section(runs)},
      {"<a href=\"#samples\">Samples</a>", samples_section(runs)},
      {"<a href=\"#config\">Configuration</a>", config_section(runs)},
  }};
  std::string links, sections;
  for (const auto& [link, html] : parts) {
    if (html.empty()) continue;
    links += link;
    sections += html;
  }
  if (sections.empty()) sections = "<p class=\"card empty-run\">Nothing is recorded yet.</p>\n";
  std::string title = runs.front().name;
  for (std::size_t i = 1; i < runs.size(); ++i) title += ", " + runs[i].name;

  // The policy makes the browser hold to what this file promises: nothing is loaded from anywhere.
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'\">\n<title>{} · polymoe report</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n",
      escape_html(title), report_style());
  html += summary_header(runs);
  if (!links.empty()) html += "<nav aria-label=\"Sections\">" + links + "</nav>\n";
  html += sections;
  html +=
      "<footer>Made by polymoe from metrics.jsonl. BLEU and chrF run from 0 to 100, higher is "
      "better.</footer>\n</main>\n";
  html += fmt::format("<script>{}</script>\n</body>\n</html>\n", report_script());
  return html;
}

}  // namespace

void write_html_report(const std::vector<std::filesystem::path>& runs, const std::filesystem::path& out) {
  if (runs.empty()) throw Error("no run to report on", {}, "name at least one run folder");
  std::vector<RunMetrics> metrics;
  for (const std::filesystem::path& run : runs) metrics.push_back(read_run_metrics(run));
  make_names_unique(metrics);
  write_file(out, page(metrics));
}

}  // namespace polymoe
