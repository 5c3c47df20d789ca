#include "polymoe/cli/direction.h"

#include <fmt/core.h>

#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/model_checkpoint.h"

namespace polymoe::cli {

Direction direction_named(const std::string& source, const std::string& target, const Vocabulary& vocabulary) {
  const auto named = [&](const std::string& name) {
    return vocabulary.languages().at(static_cast<std::size_t>(vocabulary.language_index(name)));
  };
  return {named(source), named(target)};
}

void remark_untrained(const std::string& model, const std::string& task, const Direction& direction) {
  const Checkpoint checkpoint = Checkpoint::open(resolve_checkpoint(model), Check::kHeaders);
  // Models made of others' weights hold no place in the data of their own, and know more than one run's directions.
  if (!checkpoint.meta().contains("data")) return;
  if (may_be_trained(options_of(checkpoint).data, task, direction)) return;
  remark(fmt::format("the model was not trained for {} {}", task, direction.name()), {model, 0},
         "what it writes may be of little use");
}

}  // namespace polymoe::cli
