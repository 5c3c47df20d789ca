#pragma once

#include <cstdint>

#include <CLI/CLI.hpp>

namespace polymoe::cli {

/// Adds `--threads` to a command that decodes.
void add_threads(CLI::App& app, std::int64_t& threads);

/// Computes on so many threads from now on; 0: one for each core.
void use_threads(std::int64_t threads);

}  // namespace polymoe::cli
