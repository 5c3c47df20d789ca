#include "polymoe/cli/threads.h"

#include "polymoe/tensor/torch_headers.h"

namespace polymoe::cli {

void add_threads(CLI::App& app, std::int64_t& threads) {
  app.add_option("--threads", threads, "CPU threads, which decode a batch each; 0: one for each core")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{4096}))
      ->capture_default_str();
}

void use_threads(std::int64_t threads) {
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

}  // namespace polymoe::cli
