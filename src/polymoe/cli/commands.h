#pragma once

#include <CLI/CLI.hpp>

/// One function for each subcommand: adds it to `app`, with its options and the callback that runs it.
namespace polymoe::cli {

void add_corpus(CLI::App& app);
void add_vocab(CLI::App& app);
void add_prepare(CLI::App& app);
void add_train(CLI::App& app);
void add_translate(CLI::App& app);
void add_score(CLI::App& app);
void add_serve(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_checkpoint(CLI::App& app);
void add_usage(CLI::App& app);
void add_average(CLI::App& app);
void add_merge(CLI::App& app);
void add_upcycle(CLI::App& app);
void add_prune(CLI::App& app);
void add_quantize(CLI::App& app);
void add_extend(CLI::App& app);
void add_import(CLI::App& app);
void add_export(CLI::App& app);
void add_report(CLI::App& app);
void add_plan(CLI::App& app);
void add_config(CLI::App& app);

}  // namespace polymoe::cli
