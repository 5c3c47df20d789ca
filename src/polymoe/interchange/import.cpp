#include "polymoe/interchange/import.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/quote.h"
#include "polymoe/config/run_options.h"
#include "polymoe/interchange/foreign_config.h"
#include "polymoe/interchange/foreign_vocabulary.h"
#include "polymoe/interchange/foreign_weights.h"
#include "polymoe/interchange/tensor_map.h"
#include "polymoe/nn/positions.h"
#include "polymoe/surgery/result.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

// The weights of a foreign model, held against what its configuration tells.
class ForeignModel {
 public:
  ForeignModel(const fs::path& folder, const ForeignConfig& config)
      : folder_(folder),
        config_(config),
        weights_(ForeignWeights::open(folder)),
        maps_(tensor_maps(config.kind, config.model)) {
    for (const std::string& name : embedding_names()) {
      if (weights_.specs().contains(name)) embeddings_.push_back(name);
    }
    if (!embeddings_.empty()) maps_.front().parts = {embeddings_.front()};
    check_parts();
    check_unknown();
  }

  const std::vector<TensorMap>& maps() const { return maps_; }

  TensorSpec spec(const TensorMap& map) const {
    return {map.name, weights_.specs().at(map.parts.front()).dtype, map.shape};
  }

  at::Tensor read(const TensorMap& map) const {
    if (map.parts.size() == 1) return weights_.read(map.parts.front()).view(map.shape);
    std::vector<at::Tensor> parts;
    for (const std::string& part : map.parts) parts.push_back(weights_.read(part));
    return at::cat(parts);
  }

  // What the files hold twice, or what is computed here, must be the same.
  void check_copies() const {
    for (std::size_t i = 1; i < embeddings_.size(); ++i) {
      if (weights_.same(embeddings_[i], embeddings_.front())) continue;
      throw Error(fmt::format("tensor {} is not the same as {}: embeddings that are not tied have no form here",
                              in_quotes(embeddings_[i]), in_quotes(embeddings_.front())),
                  {weights_.file_of(embeddings_[i]), 0});
    }
    for (const std::string& name : position_names()) {
      if (weights_.specs().contains(name)) check_positions(name);
    }
  }

 private:
  void check_parts() const {
    std::vector<std::string> missing;
    for (const TensorMap& map : maps_) {
      for (const std::string& part : map.parts) {
        const auto found = weights_.specs().find(part);
        if (found == weights_.specs().end()) {
          missing.push_back(part);
        } else {
          check_spec(found->second, map);
        }
      }
    }
    if (!missing.empty()) refuse("lack tensors that the configuration asks for", missing);
  }

  void check_spec(const TensorSpec& spec, const TensorMap& map) const {
    const Where where{weights_.file_of(spec.name), 0};
    if (spec.shape != map.part_shape) {
      throw Error(fmt::format("tensor {} has the shape {}, the configuration asks for {}", in_quotes(spec.name),
                              fmt::join(spec.shape, "x"), fmt::join(map.part_shape, "x")),
                  where);
    }
    const bool is_float = spec.dtype == Dtype::kF32 || spec.dtype == Dtype::kF16 || spec.dtype == Dtype::kBF16;
    const auto first = weights_.specs().find(map.parts.front());
    if (is_float && (first == weights_.specs().end() || first->second.dtype == spec.dtype)) return;
    throw Error(fmt::format("tensor {} is of the type {}", in_quotes(spec.name), dtype_name(spec.dtype)), where,
                "F32, F16 and BF16 can be imported, one type for queries, keys and values");
  }

  void check_unknown() const {
    std::set<std::string> known(embedding_names().begin(), embedding_names().end());
    known.insert(position_names().begin(), position_names().end());
    for (const TensorMap& map : maps_) known.insert(map.parts.begin(), map.parts.end());
    std::vector<std::string> unknown;
    for (const auto& [name, spec] : weights_.specs()) {
      if (!known.contains(name)) unknown.push_back(name);
    }
    if (!unknown.empty()) refuse("hold tensors that have no place in the model", unknown);
  }

  [[noreturn]] void refuse(const std::string& what, const std::vector<std::string>& names) const {
    constexpr std::size_t kShown = 5;
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) shown.push_back(in_quotes(names[i]));
    const std::string more = names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "";
    throw Error(fmt::format("the weights {}: {}{}", what, fmt::join(shown, ", "), more), {folder_, 0},
                "are config.json and the weights of one model?");
  }

  void check_positions(const std::string& name) const {
    const ModelOptions& model = config_.model;
    const at::Tensor stored = weights_.read(name).to(at::kFloat);
    const at::Tensor computed =
        sinusoidal_positions(model.max_positions + model.position_offset, model.hidden, model.position_frequencies);
    const std::int64_t first = model.position_offset;
    const bool same_shape = stored.dim() == 2 && stored.size(1) == model.hidden && stored.size(0) > first;
    const std::int64_t rows = same_shape ? std::min(stored.size(0), computed.size(0)) - first : 0;
    // Tables that were computed in float32, or stored in float16, differ by so much.
    constexpr double kTolerance = 2e-3;
    if (rows > 0 && at::allclose(stored.narrow(0, first, rows), computed.narrow(0, first, rows), 0, kTolerance)) return;
    throw Error(fmt::format("tensor {} is not the table of positions of its class", in_quotes(name)),
                {weights_.file_of(name), 0}, "learned positions have no form here");
  }

  fs::path folder_;
  const ForeignConfig& config_;
  ForeignWeights weights_;
  std::vector<TensorMap> maps_;
  std::vector<std::string> embeddings_;  // the names that the files have
};

}  // namespace

void import_model(const ImportOptions& options, const ProgressSink& progress) {
  const fs::path config_path = options.folder / "config.json",
                 generation_path = options.folder / "generation_config.json";
  const ForeignConfig config = parse_foreign_config(read_file(config_path), config_path);
  RunOptions run;
  run.model = config.model;
  run.data.max_length = std::min(run.data.max_length, config.model.max_positions);
  const fs::path& search_path = path_exists(generation_path) ? generation_path : config_path;  // older models have one
  read_generation_config(read_file(search_path), search_path, run.decode);
  const std::optional<std::string> vocabulary = read_foreign_vocabulary(options.folder, config);
  const ForeignModel model(options.folder, config);
  model.check_copies();

  check_output(options.output, {options.folder});
  SurgeryResult result(options.output, progress);
  for (const TensorMap& map : model.maps()) {
    result.add("model", model.spec(map), [&model, &map] { return model.read(map); });
  }
  const nlohmann::json origin{
      {"command", "import"}, {"sources", {{{"path", options.folder.string()}}}}, {"class", name_of(config.kind)}};
  result.commit(run, vocabulary, {{"origin", origin}});
}

}  // namespace polymoe
