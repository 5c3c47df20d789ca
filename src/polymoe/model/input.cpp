#include "polymoe/model/input.h"

#include <algorithm>

#include "polymoe/tensor/host_copy.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

TokenInput make_token_input(const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& lengths,
                            std::int64_t length, const std::vector<std::int32_t>& row_languages,
                            const at::Device& device) {
  TokenInput input;
  input.packing = make_packing(lengths, length, device);
  input.ids = pack_ids(ids, input.packing);
  input.languages.reserve(static_cast<std::size_t>(input.packing.tokens));
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    input.languages.insert(input.languages.end(), static_cast<std::size_t>(lengths[row]), row_languages[row]);
  }
  return input;
}

}  // namespace

TokenInput make_source_input(const std::vector<std::vector<std::int32_t>>& rows, const at::Device& device) {
  std::vector<std::int32_t> ids, lengths;
  for (const std::vector<std::int32_t>& row : rows) {
    ids.insert(ids.end(), row.begin(), row.end());
    lengths.push_back(static_cast<std::int32_t>(row.size()));
  }
  TokenInput input;
  input.packing = make_packing(lengths, *std::max_element(lengths.begin(), lengths.end()), device);
  input.ids = send_to(at::tensor(ids, at::kLong), device);
  return input;
}

ModelInput make_model_input(const MicroBatch& batch, const at::Device& device) {
  ModelInput input;
  input.source =
      make_token_input(batch.source, batch.source_lengths, batch.source_length, batch.source_languages, device);
  input.target =
      make_token_input(batch.target_input, batch.target_lengths, batch.target_length, batch.target_languages, device);
  input.labels = pack_ids(batch.target_output, input.target.packing);
  return input;
}

}  // namespace polymoe
