#include "polymoe/config/merge.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/base/utf8.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/nearest.h"
#include "polymoe/config/presets.h"
#include "polymoe/config/sections.h"
#include "polymoe/config/validate.h"
#include "polymoe/config/yaml_reader.h"

namespace polymoe {
namespace {

/// A field with the section that it is in.
struct Found {
  const Section* section;
  const Field* field;

  std::string key() const { return section->name + "." + field->key; }
};

/// The field of a full key, or of one that it had in older versions.
std::optional<Found> find_field(const std::vector<Section>& sections, std::string_view key) {
  for (const Section& section : sections) {
    const std::size_t size = section.name.size();
    if (key.size() <= size || key[size] != '.' || !key.starts_with(section.name)) continue;
    const std::string_view name = key.substr(size + 1);
    for (const Field& field : section.fields) {
      if (field.key == name || (!field.former_key.empty() && field.former_key == name)) return Found{&section, &field};
    }
  }
  return std::nullopt;
}

/// Sections themselves and what they are nested in: "model" is one where only "model.moe" has a table.
bool is_section(const std::vector<Section>& sections, const std::string& key) {
  for (const Section& section : sections) {
    if ((section.name + ".").starts_with(key + ".")) return true;
  }
  return false;
}

[[noreturn]] void fail_unknown(const std::vector<Section>& sections, const Assignment& assignment) {
  const std::string near = nearest_key(sections, assignment.key);
  std::string remedy = "`polymoe config` prints every key";
  if (!near.empty()) {
    const bool spelling = normalize_key(near).ends_with(normalize_key(assignment.key));
    remedy = spelling ? fmt::format("use '{}'", near) : fmt::format("did you mean '{}'?", near);
  }
  throw Error("unknown key " + in_quotes(assignment.key), assignment.where, remedy);
}

/// The value of one key, with what its errors need.
class Setter {
 public:
  Setter(const Field& field, const Assignment& assignment) : field_(field), assignment_(assignment) {}

  void operator()(bool* target) const {
    const std::string& text = value();
    if (text == "true" || text == "yes" || text == "on") {
      *target = true;
    } else if (text == "false" || text == "no" || text == "off") {
      *target = false;
    } else {
      fail_value(in_quotes(text) + " is neither true nor false");
    }
  }

  void operator()(std::int64_t* target) const { *target = whole_number(value()); }

  void operator()(std::vector<std::int64_t>* target) const {
    std::vector<std::int64_t> numbers;
    for (const std::string& item : items()) numbers.push_back(whole_number(item));
    *target = std::move(numbers);
  }

  void operator()(double* target) const {
    const std::string& text = value();
    double number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = end == text.data() + text.size() && !text.empty();
    if (!whole || code == std::errc::invalid_argument || std::isnan(number))
      fail_value(in_quotes(text) + " is not a number");
    check_range(text, code == std::errc::result_out_of_range ? HUGE_VAL : number);
    *target = number;
  }

  void operator()(std::string* target) const { *target = word(); }

  void operator()(const EnumTarget& target) const { target.set(word()); }

  void operator()(std::vector<std::string>* target) const {
    std::vector<std::string> words = items();
    for (const std::string& item : words) {
      check_text(item);
      if (item.empty() || item.find(',') != std::string::npos) fail_value(in_quotes(item) + " is no item of a list");
    }
    *target = std::move(words);
  }

 private:
  const std::string& value() const {
    switch (assignment_.kind) {
      case Assignment::Kind::kValue:
        return assignment_.values.front();
      case Assignment::Kind::kList:
        fail_value("a list stands where one value is wanted");
      case Assignment::Kind::kSection:
        fail_value("keys stand where a value is wanted");
      case Assignment::Kind::kNothing:
        break;
    }
    fail_value("no value is given", "write one, or leave the key out");
  }

  // A text, and where there are choices one of them.
  const std::string& word() const {
    const std::string& text = value();
    check_text(text);
    if (!field_.choices.empty() &&
        std::find(field_.choices.begin(), field_.choices.end(), text) == field_.choices.end()) {
      const std::string near = nearest(text, field_.choices);
      fail_value(in_quotes(text) + " is none of its choices: " + describe_values(field_),
                 near.empty() ? "" : fmt::format("did you mean '{}'?", near));
    }
    return text;
  }

  std::vector<std::string> items() const {
    if (assignment_.kind == Assignment::Kind::kList) return assignment_.values;
    return value().empty() ? std::vector<std::string>() : split(value());
  }

  std::int64_t whole_number(const std::string& text) const {
    std::int64_t number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = end == text.data() + text.size() && !text.empty();
    if (!whole || code == std::errc::invalid_argument) fail_value(in_quotes(text) + " is not a whole number");
    check_range(text, code == std::errc::result_out_of_range ? HUGE_VAL : static_cast<double>(number));
    return number;
  }

  static std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> items;
    for (;;) {
      const std::size_t end = std::min(text.find(','), text.size());
      std::string_view item = text.substr(0, end);
      while (item.starts_with(' ')) item.remove_prefix(1);
      while (item.ends_with(' ')) item.remove_suffix(1);
      items.emplace_back(item);
      if (end == text.size()) return items;
      text.remove_prefix(end + 1);
    }
  }

  void check_range(const std::string& text, double number) const {
    if (number >= field_.low && number <= field_.high) return;
    fail_value(in_quotes(text) + " is out of range", "give a " + describe_values(field_));
  }

  // Such text could neither name a file nor be written to the run's configuration.
  void check_text(const std::string& text) const {
    if (text.find('\0') != std::string::npos || find_bad_utf8(text) != std::string::npos) {
      fail_value(in_quotes(text) + " is not text in UTF-8");
    }
  }

  [[noreturn]] void fail_value(const std::string& message, const std::string& remedy = "") const {
    throw Error(assignment_.key + ": " + message, assignment_.where, remedy);
  }

  const Field& field_;
  const Assignment& assignment_;
};

void apply(std::vector<Section>& sections, const std::vector<Assignment>& assignments, GivenKeys& given) {
  for (const Assignment& assignment : assignments) {
    set_option(sections, assignment);
    const std::optional<Found> found = find_field(sections, assignment.key);
    if (!found) continue;
    given[found->key()] = assignment.where;
    if (assignment.key != found->key()) {
      remark(fmt::format("{} is called {} now", assignment.key, found->key()), assignment.where,
             fmt::format("write {}", found->key()));
    }
  }
}

}  // namespace

void set_option(std::vector<Section>& sections, const Assignment& assignment) {
  if (const std::optional<Found> found = find_field(sections, assignment.key)) {
    std::visit(Setter(*found->field, assignment), found->field->target);
    return;
  }
  if (!is_section(sections, assignment.key)) fail_unknown(sections, assignment);
  const bool holds_value = assignment.kind == Assignment::Kind::kValue || assignment.kind == Assignment::Kind::kList;
  if (holds_value) {
    throw Error(assignment.key + ": a value stands where keys are wanted", assignment.where,
                fmt::format("'{}' is a section", assignment.key));
  }
}

void set_option(std::vector<Section>& sections, const std::string& key, const std::string& value, const Where& where) {
  set_option(sections, Assignment{key, {value}, Assignment::Kind::kValue, where});
}

GivenKeys merge_yaml(std::vector<Section>& sections, const std::string& path) {
  GivenKeys given;
  apply(sections, read_yaml(path), given);
  return given;
}

LoadedOptions load_run_options(const std::optional<std::string>& yaml_path, const std::vector<Assignment>& overrides,
                               const PlannerOptions& defaults) {
  LoadedOptions loaded{defaults, {}};
  std::vector<Section> sections = sections_of(loaded.options);
  std::vector<Assignment> assignments;
  if (yaml_path) assignments = read_yaml(*yaml_path);
  assignments.insert(assignments.end(), overrides.begin(), overrides.end());

  for (const Assignment& assignment : assignments) {
    if (assignment.key == "model.preset") set_option(sections, assignment);
  }
  ModelOptions& model = loaded.options.model;
  if (model.preset != "none") apply_preset(model, model.preset);
  apply(sections, assignments, loaded.given);
  if (loaded.given.count("optimizer.learning-rate") == 0)
    loaded.options.optimizer.learning_rate = default_learning_rate(model.hidden);
  validate(loaded.options, loaded.given);
  return loaded;
}

std::string nearest_key(const std::vector<Section>& sections, const std::string& key) {
  std::vector<std::string> keys;
  for (const Section& section : sections) {
    keys.push_back(section.name);
    for (const Field& field : section.fields) keys.push_back(section.name + "." + field.key);
  }
  return nearest(key, keys);
}

}  // namespace polymoe
