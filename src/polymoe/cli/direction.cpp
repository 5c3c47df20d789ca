#include "polymoe/cli/direction.h"

#include <fmt/core.h>

#include "polymoe/base/remarks.h"

namespace polymoe::cli {

Direction direction_named(const std::string& source, const std::string& target, const Vocabulary& vocabulary) {
  const auto named = [&](const std::string& name) {
    return vocabulary.languages().at(static_cast<std::size_t>(vocabulary.language_index(name)));
  };
  return {named(source), named(target)};
}

void remark_untrained(const Translator& translator, const std::string& model, const std::string& task,
                      const Direction& direction) {
  if (!translator.trained_directions({direction}, task).empty()) return;
  remark(fmt::format("the model was not trained for {} {}", task, direction.name()), {model, 0},
         "what it writes may be of little use");
}

}  // namespace polymoe::cli
