#include "polymoe/cli/help.h"

#include <string>

#include <CLI/CLI.hpp>

namespace polymoe::cli {
namespace {

/// "INT:INT in [1 - 9]" -> "INT", "TEXT:{unigram,bpe}" -> "{unigram,bpe}": CLI11 writes checks behind the type.
std::string short_type(const std::string& type) {
  const std::size_t colon = type.find(':');
  if (colon == std::string::npos) return type;
  return type.compare(colon + 1, 1, "{") == 0 ? type.substr(colon + 1) : type.substr(0, colon);
}

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(40); }

  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    std::string shown;
    for (const std::string& name : CLI::detail::split(CLI::Formatter::make_option_name(option, is_positional), ',')) {
      const bool is_longer = name.find('.') != std::string::npos && !shown.empty();  // --model.hidden after --hidden
      // CLI11 notes behind --no-tensorboard which value it stands for.
      if (!is_longer) shown += (shown.empty() ? "" : ",") + name.substr(0, name.find('{'));
    }
    return shown;
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    if (!option->get_option_text().empty()) return " " + option->get_option_text();
    if (option->get_type_size() == 0) return "";
    std::string text = " " + short_type(option->get_type_name());
    if (option->get_expected_max() >= CLI::detail::expected_max_vector_size) text += " ...";
    if (!option->get_default_str().empty()) text += " (" + option->get_default_str() + ")";
    return option->get_required() ? text + " REQUIRED" : text;
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_formatter() { return std::make_shared<HelpFormatter>(); }

}  // namespace polymoe::cli
