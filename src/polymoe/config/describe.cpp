#include "polymoe/config/describe.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "polymoe/base/utf8.h"
#include "polymoe/config/run_options.h"
#include "polymoe/config/sections.h"

namespace polymoe {
namespace {

bool is_plain_word(const std::string& text) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '/' || c == '.' || c == '-';
  };
  if (text.empty() || text.front() == '-' || text.starts_with("...") || !std::all_of(text.begin(), text.end(), plain)) {
    return false;
  }
  // What some YAML reader takes for something else than text.
  constexpr const char* kWords[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  std::string lower = text;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (std::find(std::begin(kWords), std::end(kWords), lower) != std::end(kWords)) return false;
  return std::isalpha(static_cast<unsigned char>(text.front())) || text.front() == '/' || text.starts_with("./") ||
         text.starts_with("../");
}

std::string yaml_text(const std::string& text) {
  if (is_plain_word(text)) return text;
  std::string result = "\"";
  for (const char32_t c : decode_utf8(text)) {
    const bool invisible = c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF;
    if (c == U'"' || c == U'\\') {
      result += '\\';
      append_utf8(result, c);
    } else if (invisible || (c & 0xFFFE) == 0xFFFE) {
      result += fmt::format("\\U{:08x}", static_cast<std::uint32_t>(c));
    } else {
      append_utf8(result, c);
    }
  }
  return result + "\"";
}

struct ValueWriter {
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const std::int64_t* value) const { return fmt::format("{}", *value); }
  std::string operator()(const double* value) const { return fmt::format("{}", *value); }  // shortest exact form
  std::string operator()(const std::string* value) const { return yaml_text(*value); }
  std::string operator()(const EnumTarget& value) const { return yaml_text(value.get()); }
  std::string operator()(const std::vector<std::string>* value) const {
    std::vector<std::string> items;
    for (const std::string& item : *value) items.push_back(yaml_text(item));
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  std::string operator()(const std::vector<std::int64_t>* value) const {
    return fmt::format("[{}]", fmt::join(*value, ", "));
  }
};

std::string range_text(const Field& field) {
  const bool has_low = field.low > -kUnbounded, has_high = field.high < kUnbounded;
  if (has_low && has_high) return fmt::format(" from {} to {}", field.low, field.high);
  if (has_low) return fmt::format(" of at least {}", field.low);
  if (has_high) return fmt::format(" of at most {}", field.high);
  return "";
}

/// A '|' would end a table's cell, and '<' begin a tag.
std::string markdown_cell(const std::string& text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '*' || c == '_') cell += '\\';
    cell += c;
  }
  return cell;
}

}  // namespace

std::string describe_values(const Field& field) {
  if (!field.choices.empty()) return fmt::format("{}", fmt::join(field.choices, ", "));
  if (std::holds_alternative<bool*>(field.target)) return "true or false";
  if (std::holds_alternative<std::int64_t*>(field.target)) return "whole number" + range_text(field);
  if (std::holds_alternative<double*>(field.target)) return "number" + range_text(field);
  if (std::holds_alternative<std::vector<std::int64_t>*>(field.target)) return "list of whole numbers";
  return std::holds_alternative<std::string*>(field.target) ? "text" : "list of words";
}

std::string yaml_value(const Field& field) { return std::visit(ValueWriter{}, field.target); }

std::map<std::string, std::string> values_of(RunOptions options) {
  std::map<std::string, std::string> values;
  for (const Section& section : sections_of(options)) {
    for (const Field& field : section.fields) values[section.name + "." + field.key] = yaml_value(field);
  }
  return values;
}

std::string dump_yaml(const std::vector<Section>& sections) {
  constexpr std::size_t kHelpColumn = 36;
  std::string yaml;
  std::vector<std::string> open;  // the sections that the present line stands in
  for (const Section& section : sections) {
    while (!open.empty() && !section.name.starts_with(open.back() + ".")) open.pop_back();
    const std::string indent(2 * open.size(), ' ');
    const std::size_t named = open.empty() ? 0 : open.back().size() + 1;
    if (open.empty() && !yaml.empty()) yaml += '\n';
    yaml += fmt::format("{}# {}\n{}{}:\n", indent, section.help, indent, section.name.substr(named));
    open.push_back(section.name);
    for (const Field& field : section.fields) {
      const std::string entry = fmt::format("{}  {}: {}", indent, field.key, yaml_value(field));
      yaml += fmt::format("{:<{}}  # {}", entry, kHelpColumn, field.help);
      if (!field.choices.empty()) yaml += fmt::format(" ({})", describe_values(field));
      yaml += '\n';
    }
  }
  return yaml;
}

std::string dump_markdown(const std::vector<Section>& sections) {
  std::string text;
  for (const Section& section : sections) {
    text += fmt::format("\n### {}\n\n{}\n\n| key | default | values | meaning |\n|---|---|---|---|\n", section.name,
                        markdown_cell(section.help));
    for (const Field& field : section.fields) {
      text += fmt::format("| `{}` | `{}` | {} | {} |\n", field.key, yaml_value(field),
                          markdown_cell(describe_values(field)), markdown_cell(field.help));
    }
  }
  return text;
}

}  // namespace polymoe
