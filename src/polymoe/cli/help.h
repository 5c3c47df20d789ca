#pragma once

#include <memory>

namespace CLI {
class FormatterBase;
}  // namespace CLI

namespace polymoe::cli {

/// How `--help` is laid out in every subcommand: `--size INT (8000)`, `--norm {pre,post} (pre)`; for the
/// configuration's keys their short name alone.
std::shared_ptr<CLI::FormatterBase> help_formatter();

}  // namespace polymoe::cli
