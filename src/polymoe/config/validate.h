#pragma once

#include "polymoe/config/field.h"

namespace polymoe {

struct DecodeOptions;
struct ModelOptions;
struct RunOptions;

/// Throws Error with the key for options that contradict each other (heads that do not divide hidden, say). `given`
/// tells where the keys stand, for the message.
void validate(const RunOptions& options, const GivenKeys& given = {});
void validate(const ModelOptions& model, const GivenKeys& given = {});
void validate(const DecodeOptions& decode, const GivenKeys& given = {});

}  // namespace polymoe
