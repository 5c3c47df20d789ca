#include "polymoe/surgery/average.h"

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/surgery/match.h"
#include "polymoe/surgery/mean.h"
#include "polymoe/surgery/result.h"
#include "polymoe/surgery/source.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

void average_checkpoints(const AverageOptions& options, const ProgressSink& progress) {
  constexpr const char* kModel = "model";
  if (options.checkpoints.empty()) fail("there is no checkpoint to average");
  const std::vector<double> weights = normalized_weights(options.weights, options.checkpoints.size());
  const std::vector<Source> sources = open_sources(options.checkpoints);
  check_same_tensors(sources, kModel, ExpertCounts::kSame);
  check_same_model(sources, ExpertCounts::kSame);
  const std::optional<std::string> vocabulary = common_vocabulary(sources);

  check_output(options.output, paths_of(sources));
  SurgeryResult result(options.output, progress);
  const Source& first = sources.front();
  for (const std::string& name : first.checkpoint.names(kModel)) {
    const TensorSpec spec{name, Dtype::kF32, first.checkpoint.spec(kModel, name).shape};
    result.add(kModel, spec, [&, name] { return weighted_sum(sources, weights, kModel, name); });
  }
  nlohmann::json origin{{"command", "average"}, {"weights", weights}};
  for (const Source& source : sources) origin["sources"].push_back(source.origin());
  result.commit(first.options, vocabulary, {{"origin", origin}});
}

}  // namespace polymoe
