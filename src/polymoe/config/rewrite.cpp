#include "polymoe/config/rewrite.h"

#include <sstream>
#include <vector>

#include "polymoe/config/describe.h"

namespace polymoe {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

bool opens(const std::string& line, const std::string& name) {
  return line.rfind(name + ":", 0) == 0 || line.rfind(name + " :", 0) == 0;
}

bool belongs_to_block(const std::string& line) { return !line.empty() && (line[0] == ' ' || line[0] == '\t'); }

std::string with_carriage_returns(const std::string& text) {
  std::string result;
  for (const char c : text) result += c == '\n' ? "\r\n" : std::string(1, c);
  return result;
}

std::string section_text(const Section& section, const Section& defaults) {
  std::string text;
  for (std::size_t i = 0; i < section.fields.size(); ++i) {
    const std::string value = yaml_value(section.fields[i]);
    if (value != yaml_value(defaults.fields[i])) text += fmt::format("  {}: {}\n", section.fields[i].key, value);
  }
  return text.empty() ? text : fmt::format("{}:\n{}", section.name, text);
}

}  // namespace

std::string with_section(const std::string& yaml, const Section& section, const Section& defaults) {
  const std::string text = section_text(section, defaults);
  const std::vector<std::string> lines = lines_of(yaml);
  std::string result;
  bool placed = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!opens(lines[i], section.name)) {
      result += lines[i] + '\n';
      continue;
    }
    result += text;
    placed = true;
    // What stands behind the last indented line is the next section's.
    std::size_t end = i + 1;
    for (std::size_t j = end; j < lines.size(); ++j) {
      if (belongs_to_block(lines[j]))
        end = j + 1;
      else if (!lines[j].empty() && lines[j][0] != '#')
        break;
    }
    i = end - 1;
  }
  if (!placed) result += text;
  return yaml.find("\r\n") == std::string::npos ? result : with_carriage_returns(result);
}

}  // namespace polymoe
