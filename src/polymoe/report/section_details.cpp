#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "polymoe/base/numbers.h"
#include "polymoe/report/html.h"
#include "polymoe/report/sections.h"

namespace polymoe {
namespace {

constexpr std::size_t kSamplesShown = 12;

std::string text_item(const std::string& term, const std::string& text, const std::string& language, const char* look) {
  if (text.empty()) return fmt::format("<dt>{}</dt><dd class=\"empty\">(empty)</dd>\n", term);
  return fmt::format("<dt>{}</dt><dd class=\"{}\" dir=\"auto\" lang=\"{}\">{}</dd>\n", term, look,
                     escape_html(language_tag(language)), escape_html(text));
}

const SampleTranslation* same_source(const RunMetrics& run, const SampleTranslation& wanted) {
  if (run.samples.empty()) return nullptr;
  const auto& samples = run.samples.back().samples;
  const auto found = std::find_if(samples.begin(), samples.end(), [&](const SampleTranslation& sample) {
    return sample.task == wanted.task && sample.direction == wanted.direction && sample.source == wanted.source;
  });
  return found == samples.end() ? nullptr : &*found;
}

std::string sample_card(const std::vector<RunMetrics>& runs, const SampleTranslation& sample) {
  const std::size_t dash = std::min(sample.direction.find('-'), sample.direction.size());
  const std::string source = sample.direction.substr(0, dash);
  const std::string target = dash < sample.direction.size() ? sample.direction.substr(dash + 1) : "";
  const std::string heading = (sample.task.empty() ? "" : sample.task + ": ") + direction_label(sample.direction);
  std::string html = fmt::format("<article class=\"card sample\"><h3>{}</h3><dl>\n", escape_html(heading));
  html += text_item("source", sample.source, source, "source");
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const SampleTranslation* made = same_source(runs[i], sample);
    const std::string term = runs.size() > 1 ? run_label(runs, i) : sample.task.empty() ? "translation" : "output";
    if (made != nullptr) html += text_item(term, made->translation, target, "made");
  }
  return html + text_item("reference", sample.reference, target, "reference") + "</dl></article>\n";
}

}  // namespace

std::string samples_section(const std::vector<RunMetrics>& runs) {
  const auto with_samples =
      std::find_if(runs.begin(), runs.end(), [](const RunMetrics& run) { return !run.samples.empty(); });
  if (with_samples == runs.end()) return "";
  std::string shown, folded;
  std::size_t count = 0;
  for (const SampleTranslation& sample : with_samples->samples.back().samples) {
    (count < kSamplesShown ? shown : folded) += sample_card(runs, sample);
    ++count;
  }
  if (count == 0) return "";
  std::string content = "<div class=\"samples\">\n" + shown + "</div>\n";
  if (!folded.empty()) {
    content += fmt::format("<details><summary>{} more</summary><div class=\"samples\">\n{}</div></details>\n",
                           count - kSamplesShown, folded);
  }
  return section("samples", "Sample translations",
                 fmt::format("Of validation segments, at update {}.", with_commas(with_samples->samples.back().update)),
                 content);
}

std::string config_section(const std::vector<RunMetrics>& runs) {
  std::vector<std::string> keys;
  std::map<std::string, std::vector<std::string>> values;  // of each key, one for each run
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (const auto& [key, value] : runs[i].about.config) {
      const auto [entry, is_new] = values.try_emplace(key, runs.size());
      if (is_new) keys.push_back(key);
      entry->second[i] = value;
    }
  }
  if (keys.empty()) return "";
  std::string html = "<div class=\"scroll\"><table class=\"data config\"><thead><tr><th scope=\"col\">key</th>";
  for (std::size_t i = 0; i < runs.size(); ++i) {
    html += "<th scope=\"col\">" + (runs.size() > 1 ? run_label(runs, i) : "value") + "</th>";
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const std::string& key : keys) {
    const std::vector<std::string>& row = values[key];
    const bool differs = std::any_of(row.begin(), row.end(), [&](const std::string& value) { return value != row[0]; });
    html += fmt::format("<tr{}><th scope=\"row\">{}</th>", differs ? " class=\"differs\"" : "", escape_html(key));
    for (const std::string& value : row) html += "<td>" + escape_html(value) + "</td>";
    html += "</tr>\n";
  }
  html += "</tbody></table></div>\n";
  return section("config", "Configuration", runs.size() > 1 ? "Values that differ are coloured." : "",
                 fmt::format("<details><summary>All {} options</summary>\n{}</details>\n", keys.size(), html));
}

}  // namespace polymoe
