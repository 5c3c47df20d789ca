#include "polymoe/report/html.h"

#include <fmt/core.h>

#include "polymoe/report/style.h"

namespace polymoe {

std::string escape_html(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        const bool forbidden = (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F;
        if (forbidden)
          safe += "\uFFFD";
        else
          safe += c;
      }
    }
  }
  return safe;
}

std::string language_tag(std::string_view code) {
  std::string tag(code.substr(0, code.find('@')));
  for (char& c : tag) {
    if (c == '_') c = '-';
  }
  const std::string_view modifier = code.substr(std::min(code.size(), tag.size() + 1));
  if (modifier == "latin") tag += "-Latn";
  if (modifier == "cyrillic") tag += "-Cyrl";
  return tag;
}

std::string direction_label(std::string_view direction) {
  const std::size_t dash = direction.find('-');
  if (dash == std::string_view::npos) return std::string(direction);
  return fmt::format("{} → {}", direction.substr(0, dash), direction.substr(dash + 1));
}

std::string section(std::string_view id, std::string_view heading, std::string_view lead, std::string_view content) {
  if (content.empty()) return "";
  const std::string below = lead.empty() ? "" : fmt::format("<p class=\"lead\">{}</p>\n", lead);
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}{}</section>\n", id, escape_html(heading), below, content);
}

std::string swatch(std::size_t index) { return fmt::format("<i class=\"swatch c{}\"></i>", index % kSeriesColors); }

std::string render(const Table& table) {
  std::string html = "<div class=\"scroll\"><table class=\"data\">";
  if (!table.caption.empty()) html += fmt::format("<caption>{}</caption>", table.caption);
  html += "<thead><tr>";
  for (const std::string& cell : table.header) html += "<th scope=\"col\">" + cell + "</th>";
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    html += table.total && &row == &table.rows.back() ? "<tr class=\"total\">" : "<tr>";
    for (std::size_t column = 0; column < row.size(); ++column) {
      html += column == 0 ? "<th scope=\"row\">" + row[column] + "</th>" : "<td>" + row[column] + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace polymoe
