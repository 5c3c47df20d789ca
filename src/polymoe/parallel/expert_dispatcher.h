#pragma once

#include <memory>

#include "polymoe/nn/model_axis.h"
#include "polymoe/nn/moe/dispatcher.h"
#include "polymoe/parallel/layout.h"
#include "polymoe/parallel/row_all_to_all.h"

namespace polymoe {

/// The dispatcher for a layout: experts spread over the expert group, tokens shared by the tensor group.
///   Dropless, the numbers of tokens travel first, then the tokens. With a capacity there is one exchange, of as many
///   rows for every expert as the capacity allows, with the numbers in front. The way back, and backward, know the
///   numbers and send just the rows that exist.
///   With tensor > 1 each member of the tensor group sends its share of every expert's tokens, so none is sent twice.
///   Sliced experts then gather the shares on the receiving side and sum their partial outputs back.
/// Experts here compute in `runs` runs (at most one for each), each with an exchange of its own: the tokens of the next
/// run travel while one computes. A run has whole experts, so that its products are those of the whole layer.
/// At expert degree 1 nothing is exchanged. `axis` is the one of the model; both must outlive the dispatcher.
std::shared_ptr<Dispatcher> make_dispatcher(const ParallelLayout& layout, bool slice_experts, std::int64_t runs,
                                            std::unique_ptr<RowAllToAll> exchange, std::shared_ptr<ModelAxis> axis);

}  // namespace polymoe
