#include "polymoe/surgery/extend.h"

#include <algorithm>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/remarks.h"
#include "polymoe/checkpoint/dtype.h"
#include "polymoe/surgery/result.h"
#include "polymoe/surgery/source.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/new_pieces.h"

namespace polymoe {
namespace {

constexpr const char* kExtendedGroup = "model";

// The tensors that have a row for each id.
bool has_row_of_each_id(const std::string& name) { return name == "embedding" || name == "logits_bias"; }

// Of a tensor with a row for each id: the mean of some rows, or of all where none are named; float64 [row].
class RowMeans {
 public:
  RowMeans(const Checkpoint& checkpoint, const TensorSpec& spec)
      : checkpoint_(checkpoint), spec_(spec), width_(num_elements(spec) / spec.shape.at(0)) {}

  std::int64_t width() const { return width_; }

  at::Tensor of(const std::vector<std::int32_t>& rows) {
    if (rows.empty()) return of_all();
    at::Tensor sum = at::zeros({width_}, at::kDouble);
    for (const std::int32_t row : rows) sum += read(row, 1).sum(0, false, at::kDouble);
    return sum / static_cast<double>(rows.size());
  }

 private:
  at::Tensor of_all() {
    if (all_.defined()) return all_;
    constexpr std::int64_t kRowsAtOnce = 256;
    const std::int64_t count = spec_.shape.at(0);
    all_ = at::zeros({width_}, at::kDouble);
    for (std::int64_t begin = 0; begin < count; begin += kRowsAtOnce) {
      all_ += read(begin, std::min(kRowsAtOnce, count - begin)).sum(0, false, at::kDouble);
    }
    return all_ /= static_cast<double>(count);
  }

  at::Tensor read(std::int64_t row, std::int64_t count) const {
    at::Tensor rows = at::empty({count, width_}, at::kFloat);
    checkpoint_.read_runs(kExtendedGroup, spec_.name, rows, {{0, row * width_, count * width_}});
    return rows;
  }

  const Checkpoint& checkpoint_;
  const TensorSpec& spec_;
  std::int64_t width_;
  at::Tensor all_;
};

// The rows of a tensor for the ids of a new vocabulary.
at::Tensor extended(const Checkpoint& checkpoint, const std::string& name, const ExtendedVocabulary& vocabulary) {
  const TensorSpec& spec = checkpoint.spec(kExtendedGroup, name);
  RowMeans means(checkpoint, spec);
  const std::int64_t width = means.width();
  std::vector<std::int64_t> shape = spec.shape;
  shape.at(0) = static_cast<std::int64_t>(vocabulary.from.size());
  at::Tensor result = at::empty(shape, scalar_type(spec.dtype));
  std::vector<Run> copies;
  for (std::int64_t row = 0; row < shape.at(0); ++row) {
    const std::vector<std::int32_t>& from = vocabulary.from[static_cast<std::size_t>(row)];
    if (from.size() != 1) {
      result[row].copy_(means.of(from).view(result[row].sizes()));
    } else if (const Run copy{row * width, from[0] * width, width};
               !copies.empty() && copies.back().logical + copies.back().count == copy.logical &&
               copies.back().local + copies.back().count == copy.local) {
      copies.back().count += width;
    } else {
      copies.push_back(copy);
    }
  }
  checkpoint.read_runs(kExtendedGroup, name, result, copies);
  return result;
}

std::vector<std::string> pieces_in(const std::vector<std::filesystem::path>& files) {
  std::vector<std::string> pieces;
  std::unordered_set<std::string> seen;
  std::size_t repeated = 0;
  for (const std::filesystem::path& file : files) {
    for (std::string& piece : read_pieces(file)) {
      if (seen.insert(piece).second) {
        pieces.push_back(std::move(piece));
      } else {
        ++repeated;
      }
    }
  }
  if (repeated > 0) remark(fmt::format("{} pieces stand in an earlier file too; each is added once", repeated));
  return pieces;
}

}  // namespace

ExtendReport extend(const ExtendOptions& options, const ProgressSink& progress) {
  const std::vector<std::string> pieces = pieces_in(options.pieces);
  const Source source = Source::open(options.checkpoint);
  const Checkpoint& from = source.checkpoint;
  if (!source.vocabulary) {
    throw Error("has no vocabulary to extend", {source.path(), 0}, "copy its vocab.model into the folder");
  }
  const ExtendedVocabulary vocabulary =
      extend_vocabulary(*source.vocabulary, from.path() / "vocab.model", options.languages, pieces);
  ExtendReport report;
  report.ids_before = from.spec(kExtendedGroup, "embedding").shape.at(0);
  report.ids_after = static_cast<std::int64_t>(vocabulary.from.size());
  report.pieces = vocabulary.pieces;
  const auto added = static_cast<std::int64_t>(options.languages.size() + vocabulary.pieces.size());
  if (report.ids_before + added != report.ids_after) {
    throw Error(fmt::format("its embedding has {} rows, but its vocabulary {} ids", report.ids_before,
                            report.ids_after - added),
                {source.path(), 0});
  }
  check_output(options.output, {source.path()});
  SurgeryResult result(options.output, progress);
  for (const std::string& name : from.names(kExtendedGroup)) {
    if (!has_row_of_each_id(name)) {
      result.add_copy(kExtendedGroup, name, from, name);
      continue;
    }
    TensorSpec spec = from.spec(kExtendedGroup, name);
    spec.shape.at(0) = report.ids_after;
    result.add(kExtendedGroup, spec, [&from, &vocabulary, name] { return extended(from, name, vocabulary); });
  }
  RunOptions grown = source.options;
  grown.model.vocabulary = report.ids_after;
  nlohmann::json origin{{"command", "extend"},
                        {"sources", {source.origin()}},
                        {"languages", nlohmann::json::object()},
                        {"pieces", report.pieces.size()}};
  for (const NewLanguage& language : options.languages) origin["languages"][language.code] = language.like;
  result.commit(grown, vocabulary.bytes, {{"origin", origin}});
  return report;
}

}  // namespace polymoe
