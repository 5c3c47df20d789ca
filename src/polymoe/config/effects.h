#pragma once

#include <string>
#include <vector>

#include "polymoe/config/field.h"

/// Options that were given and change nothing.
namespace polymoe {

struct RunOptions;

struct Ineffective {
  std::string key;
  std::string message;  ///< "model.moe.top-k has no effect: model.moe.experts is 0"
  Where where;          ///< where the key was given
};

/// The keys of `given` that training does not use with `options`, in alphabetical order. Three kinds are no slips and
/// are left out: values that are the defaults (--dump-config writes all of them); keys of a file for what the command
/// line switches off; and keys of a file that other subcommands use.
std::vector<Ineffective> without_effect(const RunOptions& options, const GivenKeys& given);

/// The same for translating and, log probabilities over length where `normalized`, for scoring: keys of `decode`.
std::vector<Ineffective> without_effect_on_translations(const RunOptions& options, const GivenKeys& given);
std::vector<Ineffective> without_effect_on_scores(const RunOptions& options, GivenKeys given, bool normalized);

/// Makes a remark of each of them.
void remark_without_effect(const std::vector<Ineffective>& found);

}  // namespace polymoe
