#include "polymoe/cli/untrained.h"

#include <fmt/core.h>

#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/model_checkpoint.h"

namespace polymoe::cli {

void remark_untrained(const std::string& model, const std::string& task, const Direction& direction) {
  const Checkpoint checkpoint = Checkpoint::open(resolve_checkpoint(model), Check::kHeaders);
  // Models made of others' weights hold no place in the data of their own, and know more than one run's directions.
  if (!checkpoint.meta().contains("data")) return;
  if (may_be_trained(options_of(checkpoint).data, task, direction)) return;
  remark(fmt::format("the model was not trained for {} {}", task, direction.name()), {model, 0},
         "what it writes may be of little use");
}

}  // namespace polymoe::cli
