#include "polymoe/config/yaml_reader.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/utf8.h"

namespace polymoe {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxKeyBytes = 100;
constexpr std::size_t kMaxDepth = 8;

/// Flattens the parser's events into assignments. Working on events rather than on a tree keeps the line of every
/// key, sees keys that are given twice, and needs no memory for nesting or aliases.
class Flattener : public YAML::EventHandler {
 public:
  explicit Flattener(std::string name) : name_(std::move(name)) {}

  std::vector<Assignment> take() { return std::move(assignments_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (stack_.empty()) return;  // an empty document
    if (expects_key()) fail_at(mark, "a key is missing before ':'");
    if (in_list()) fail_at(mark, current_key() + ": an item of the list is empty", "write \"\" for an empty text");
    add({current_key(), {}, Assignment::Kind::kNothing, key_where()});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    fail_at(mark, "aliases (*name) are not supported", "write the value out");
  }

  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string& value) override {
    if (stack_.empty()) fail_no_map(mark);
    if (expects_key()) {
      open_key(mark, value);
    } else if (in_list()) {
      assignments_.back().values.push_back(value);
    } else {
      add({current_key(), {value}, Assignment::Kind::kValue, key_where()});
    }
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    if (stack_.empty()) fail_no_map(mark);
    if (expects_key()) fail_at(mark, "a list stands where a key is due");
    if (in_list()) fail_at(mark, current_key() + ": a list inside a list");
    add({current_key(), {}, Assignment::Kind::kList, key_where()});
    stack_.push_back({true, "", assignments_.back().key, 0});
  }

  void OnSequenceEnd() override { stack_.pop_back(); }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    if (!stack_.empty()) {
      if (expects_key()) fail_at(mark, "a map stands where a key is due");
      if (in_list()) fail_at(mark, current_key() + ": a map inside a list");
      if (stack_.size() >= kMaxDepth) fail_at(mark, "sections nested too deep");
      add({current_key(), {}, Assignment::Kind::kSection, key_where()});
    }
    const std::string prefix = stack_.empty() ? "" : assignments_.back().key + ".";
    stack_.push_back({false, prefix, "", 0});
  }

  void OnMapEnd() override { stack_.pop_back(); }

 private:
  struct Level {
    bool list = false;
    std::string prefix;  // of a map: the full key of the section and a '.'
    std::string key;     // of a map: the full key whose value comes next; of a list: its key
    std::uint64_t line = 0;
  };

  bool in_list() const { return stack_.back().list; }
  bool expects_key() const { return !in_list() && stack_.back().key.empty(); }
  const std::string& current_key() const { return stack_.back().key; }
  Where key_where() const { return {name_, stack_.back().line}; }

  void open_key(const YAML::Mark& mark, const std::string& key) {
    const std::uint64_t line = line_of(mark);
    if (key.empty() || key.size() > kMaxKeyBytes) fail_at(mark, fmt::format("{} is no key", in_quotes(key)));
    Level& level = stack_.back();
    level.key = level.prefix + key;
    level.line = line;
    const auto [first, is_new] = lines_.emplace(level.key, line);
    if (!is_new)
      fail_at(mark, fmt::format("{} is given twice", in_quotes(level.key)),
              fmt::format("it first stands on line {}", first->second));
  }

  void add(Assignment assignment) {
    assignments_.push_back(std::move(assignment));
    stack_.back().key.clear();
  }

  static std::uint64_t line_of(const YAML::Mark& mark) { return static_cast<std::uint64_t>(mark.line) + 1; }

  [[noreturn]] void fail_at(const YAML::Mark& mark, const std::string& message, const std::string& remedy = "") const {
    throw Error(message, {name_, line_of(mark)}, remedy);
  }
  [[noreturn]] void fail_no_map(const YAML::Mark& mark) const {
    fail_at(mark, "not a configuration: sections with keys are wanted", "write, say, model: {hidden: 256}");
  }

  std::string name_;
  std::vector<Level> stack_;
  std::vector<Assignment> assignments_;
  std::map<std::string, std::uint64_t> lines_;
};

/// What the YAML parser would only meet with a riddle.
void check_text(const std::string& text, const std::string& name) {
  std::uint64_t line_number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    const Where where{name, ++line_number};
    if (line.find('\0') != std::string_view::npos || find_bad_utf8(line) != std::string_view::npos) {
      throw Error("not a text file in UTF-8", where, "is it a YAML file?");
    }
    const std::size_t content = std::min(line.find_first_not_of(" \t"), line.size());
    if (line.substr(0, content).find('\t') != std::string_view::npos) {
      throw Error("a tab in the indentation", where, "indent with spaces");
    }
    begin = end + 1;
  }
}

}  // namespace

std::vector<Assignment> parse_yaml(const std::string& text, const std::string& name) {
  if (text.size() > kMaxFileBytes) throw Error("over 1 MiB", {name, 0}, "is it a configuration file?");
  check_text(text, name);
  // Behind an explicit end the parser also complains about a quoted text that the file leaves open.
  std::istringstream stream(text + "\n...\n");
  Flattener flattener(name);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(flattener);
    Flattener second(name);
    if (parser.HandleNextDocument(second)) throw Error("a second document ('---')", {name, 0}, "keep one");
  } catch (const YAML::Exception& error) {
    const std::uint64_t line = error.mark.is_null() ? 0 : static_cast<std::uint64_t>(error.mark.line) + 1;
    const auto last_line = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    if (line > last_line) {
      throw Error("not valid YAML: the file ends inside a quoted text, a list or a map", {name, last_line},
                  "close it with a quote, ']' or '}'");
    }
    throw Error("not valid YAML: " + error.msg, {name, line}, "check the indentation, colons and quotes near it");
  }
  return flattener.take();
}

std::vector<Assignment> read_yaml(const std::string& path) {
  LineReader reader(path, kMaxFileBytes);
  std::string text, line;
  while (text.size() <= kMaxFileBytes && reader.next(line)) text += line + '\n';
  return parse_yaml(text, reader.path());
}

}  // namespace polymoe
