#pragma once

#include "polymoe/checkpoint/checkpoint.h"

namespace polymoe {

struct ModelOptions;
struct RunOptions;

/// Compares the options of a training with those of the checkpoint that it goes on from or starts from. Throws Error
/// where the same weights would compute something else with them though every shape fits (model.heads, say); remarks
/// what changes the routing.
void check_model_options(const Checkpoint& checkpoint, const ModelOptions& now);

/// Tells in the log which options are not those that the checkpoint was made with.
void log_changes(const Checkpoint& checkpoint, const RunOptions& now);

}  // namespace polymoe
