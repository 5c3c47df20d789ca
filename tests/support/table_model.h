#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "polymoe/decode/beam_search.h"
#include "polymoe/inference/decoding_model.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe::testing {

using Ids = std::vector<std::int32_t>;

/// The end mark of tests with made-up ids.
inline constexpr std::int32_t kEnd = 2;

inline std::vector<Ids> ids_of(const std::vector<Hypothesis>& hypotheses) {
  std::vector<Ids> ids;
  for (const Hypothesis& hypothesis : hypotheses) ids.push_back(hypothesis.ids);
  return ids;
}

/// A model that computes nothing: the log probabilities of what comes next are `next`(source, ids read so far, the
/// first one included), by id; ids that it leaves out are next to impossible.
class TableModel : public DecodingModel {
 public:
  using Next = std::function<std::map<std::int32_t, float>(const Ids& source, const Ids& read)>;
  /// The attention to each token of the source after what was read.
  using Attend = std::function<std::vector<float>(const Ids& source, const Ids& read)>;

  TableModel(std::int64_t vocabulary, Next next, std::int64_t max_positions = 100)
      : vocabulary_(vocabulary), next_(std::move(next)), max_positions_(max_positions) {}

  std::int64_t vocabulary() const override { return vocabulary_; }
  std::int64_t max_positions() const override { return max_positions_; }

  std::unique_ptr<DecodingState> start(const std::vector<Ids>& sources, std::int64_t beams) override {
    return std::make_unique<State>(*this, sources, beams);
  }

  bool gives_attention() const override { return attend_ != nullptr; }
  void set_attention(Attend attend) { attend_ = std::move(attend); }

  static constexpr float kUnlikely = -50.0f;

 private:
  class State : public DecodingState {
   public:
    State(const TableModel& model, const std::vector<Ids>& sources, std::int64_t beams) : model_(model) {
      for (const Ids& source : sources) {
        for (std::int64_t beam = 0; beam < beams; ++beam) rows_.push_back({source, {}});
      }
    }

    at::Tensor step(const Ids& ids) override {
      at::Tensor result = at::full({static_cast<std::int64_t>(rows_.size()), model_.vocabulary_}, kUnlikely);
      auto values = result.accessor<float, 2>();
      for (std::size_t row = 0; row < rows_.size(); ++row) {
        rows_[row].read.push_back(ids.at(row));
        for (const auto& [id, value] : model_.next_(rows_[row].source, rows_[row].read)) {
          values[static_cast<std::int64_t>(row)][id] = value;
        }
      }
      return result;
    }

    void select(const std::vector<std::int64_t>& hypotheses, const std::vector<std::int64_t>& /*sentences*/) override {
      std::vector<Row> kept;
      for (const std::int64_t row : hypotheses) kept.push_back(rows_.at(static_cast<std::size_t>(row)));
      rows_ = std::move(kept);
    }

    std::vector<std::vector<float>> attention() const override {
      std::vector<std::vector<float>> rows;
      for (const Row& row : rows_) rows.push_back(model_.attend_(row.source, row.read));
      return rows;
    }

   private:
    struct Row {
      Ids source, read;
    };
    const TableModel& model_;
    std::vector<Row> rows_;
  };

  std::int64_t vocabulary_;
  Next next_;
  Attend attend_;
  std::int64_t max_positions_;
};

}  // namespace polymoe::testing
