#include <malloc.h>
#include <csignal>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/log.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/options.h"
#include "polymoe/cli/translator_options.h"
#include "polymoe/config/effects.h"
#include "polymoe/data/frame.h"
#include "polymoe/decode/translator.h"
#include "polymoe/serve/api.h"
#include "polymoe/serve/server.h"

namespace polymoe::cli {
namespace {

struct ServeArguments {
  std::vector<std::string> models;
  std::string keys;
  Placement placement;
  ServerOptions server;
  RequestLimits limits;
  BatchOptions batch;
  std::int64_t timeout_seconds = 60;
  std::int64_t max_body_mib = 16;
};

/// A Translator as the server uses it.
class TranslatorModel : public ServedModel {
 public:
  TranslatorModel(std::string name, const std::string& path, const ServeArguments& arguments,
                  const DecodeOptions& options, ServerMetrics& metrics)
      : name_(std::move(name)),
        translator_(load_translator(path, "", options, arguments.placement)),
        metrics_(metrics) {
    std::vector<Direction> directions;
    const auto count = static_cast<std::int32_t>(languages().size());
    for (std::int32_t i = 0; i < count; ++i) {
      for (std::int32_t j = 0; j < count; ++j) {
        if (i != j && has_direction(translator_.vocabulary(), i, j)) directions.push_back({name_of(i), name_of(j)});
      }
    }
    for (const Direction& direction : translator_.trained_directions(directions)) {
      directions_.emplace(direction.source, direction.target);
    }
  }

  const std::string& name() const override { return name_; }
  const std::vector<std::string>& languages() const override { return translator_.vocabulary().languages(); }
  bool serves(const std::string& source, const std::string& target) const override {
    return directions_.contains({source, target});
  }

  std::vector<LineAnswer> translate(const BatchKey& key, const std::vector<std::string>& lines) override {
    metrics_.add_batch(lines.size());
    std::vector<LineAnswer> answers(lines.size());
    translator_.set_n_best(static_cast<std::int64_t>(key.n_best));
    const auto results = translator_.translate(lines, key.source, key.target, {}, "translation",
                                               [&](const LossySource& lost) {
                                                 answers[lost.sentence].read_whole = lost.read == lost.tokens;
                                                 answers[lost.sentence].unknown = lost.unknown;
                                               },
                                               {.of_document = key.of_document});
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (const Translation& translation : results[i]) answers[i].texts.push_back(translation.text);
      answers[i].ended = !results[i].front().cut_off;
      answers[i].keeps_placeholders = results[i].front().keeps_placeholders;
    }
    return answers;
  }

 private:
  const std::string& name_of(std::int32_t language) const { return languages()[static_cast<std::size_t>(language)]; }

  std::string name_;
  Translator translator_;
  ServerMetrics& metrics_;
  std::set<std::pair<std::string, std::string>> directions_;
};

/// "NAME=DIR", or "DIR", which is named after its folder.
std::pair<std::string, std::string> name_and_path(const std::string& model) {
  const std::size_t equals = model.find('=');
  if (equals != std::string::npos && model.find('/') > equals)
    return {model.substr(0, equals), model.substr(equals + 1)};
  std::filesystem::path path = std::filesystem::path(model).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return {path.filename().string(), model};
}

std::shared_ptr<ModelSet> load_models(const ServeArguments& arguments, const DecodeOptions& options,
                                      ServerMetrics& metrics) {
  std::vector<std::unique_ptr<ServedModel>> models;
  std::set<std::string> names;
  for (const std::string& model : arguments.models) {
    const auto [name, path] = name_and_path(model);
    if (!names.insert(name).second) {
      fail("two models are named {}; name them apart with --model NAME=DIR", in_quotes(name));
    }
    models.push_back(std::make_unique<TranslatorModel>(name, path, arguments, options, metrics));
    log_info("model {}: {}", name, path);
  }
  return std::make_shared<ModelSet>(std::move(models), arguments.batch);
}

/// One key a line; empty lines and those that begin with '#' are none.
std::set<std::string> read_keys(const std::string& path) {
  std::set<std::string> keys;
  if (path.empty()) return keys;
  LineReader reader(path);
  for (std::string line; reader.next(line);) {
    while (line.ends_with(' ') || line.ends_with('\t')) line.pop_back();
    if (!line.empty() && line[0] != '#') keys.insert(line);
  }
  if (keys.empty()) {
    throw Error("holds no key, and nobody could translate", {path, 0},
                "write one key on each line, or leave out --api-keys");
  }
  return keys;
}

/// What an operator asks of a running server. Blocked before any thread begins, so that only wait() gets them.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&set_, signal);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }

  int wait() const {
    int signal = 0;
    sigwait(&set_, &signal);
    return signal;
  }

 private:
  sigset_t set_{};
};

void reload(const ServeArguments& arguments, const DecodeOptions& options, Api& api, ServerMetrics& metrics) {
  try {
    std::set<std::string> keys = read_keys(arguments.keys);
    api.set_models(load_models(arguments, options, metrics));
    api.set_keys(std::move(keys));
    metrics.add_reload(true);
    log_info("models and keys were loaded again");
  } catch (const std::exception& error) {
    metrics.add_reload(false);
    log_warning("{}; the models and keys from before go on", error.what());
  }
}

void serve(ServeArguments arguments, const DecodeOptions& options) {
  const Signals signals;
  // Each reload starts new threads, to which the heap would give arenas of their own that never shrink.
  mallopt(M_ARENA_MAX, 2);
  use_threads(arguments.placement.threads);
  if (options.n_best != 1) {
    remark("decode.n-best has no effect on a server", {}, "clients ask for more translations by \"alternatives\"");
  }
  if (options.temperature > 0) {
    fail("--temperature: a server's samples would depend on its other requests; leave it out");
  }
  std::signal(SIGPIPE, SIG_IGN);  // a client that leaves is no reason to end
  arguments.server.max_body_bytes = static_cast<std::size_t>(arguments.max_body_mib) << 20;
  arguments.limits.max_alternatives = static_cast<std::size_t>(options.beam_size - 1);
  ServerMetrics metrics;
  Api api({arguments.limits, std::chrono::seconds(arguments.timeout_seconds)}, metrics);
  api.set_keys(read_keys(arguments.keys));
  ApiServer server(arguments.server, api, metrics);  // a port that is taken shows before the models are loaded
  api.set_models(load_models(arguments, options, metrics));
  server.start();
  const std::string host =
      arguments.server.host.find(':') == std::string::npos ? arguments.server.host : "[" + arguments.server.host + "]";
  fmt::print("http://{}:{}/\n", host, server.port());
  std::fflush(stdout);
  for (int signal = signals.wait(); signal == SIGHUP; signal = signals.wait()) reload(arguments, options, api, metrics);
  log_info("ending: no new requests; those under way are answered");
  server.stop();
  log_info("ended");
}

constexpr const char* kServeFooter =
    "The endpoints are those of LibreTranslate: /translate, /detect, /languages, /translate_file, /health; /metrics "
    "is\n"
    "for Prometheus, and / is a page to translate in a browser. docs/serving.md has the details.\n\n"
    "SIGHUP loads the models and keys again, SIGTERM answers what is under way and ends. The address comes on "
    "standard\n"
    "output once requests are answered.\n\n"
    "Examples:\n"
    "  polymoe serve --model run\n"
    "  curl -s localhost:5000/translate -d q='Open the file' -d source=en -d target=de\n"
    "  polymoe serve --model news=run1 --model ui=run2 --host 0.0.0.0 --port 8080 --api-keys keys.txt";

}  // namespace

void add_serve(CLI::App& app) {
  CLI::App* command = app.add_subcommand("serve", "Answer translation requests over HTTP, as LibreTranslate does");
  auto arguments = std::make_shared<ServeArguments>();
  command
      ->add_option("--model", arguments->models,
                   "run folder or checkpoint, with a name in front if it is not to be the folder's; several: each "
                   "request goes to the first that knows its direction")
      ->required()
      ->type_name("[NAME=]DIR");
  command->add_option("--host", arguments->server.host, "address to listen on; 0.0.0.0 for all")
      ->capture_default_str()
      ->type_name("ADDRESS");
  command->add_option("--port", arguments->server.port, "port to listen on; 0: any that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->add_option("--api-keys", arguments->keys, "file with the keys that clients must give, one a line")
      ->type_name("FILE");
  command
      ->add_option("--max-queue", arguments->batch.max_queued_lines,
                   "lines that wait for a model; more are refused with status 429")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
      ->capture_default_str();
  command->add_option("--batch-lines", arguments->batch.batch_lines, "most lines that are translated together")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 20))
      ->capture_default_str();
  command->add_option("--timeout", arguments->timeout_seconds, "seconds until a request is given up with status 503")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{86400}))
      ->capture_default_str();
  command
      ->add_option("--max-text", arguments->limits.max_characters,
                   "most bytes of text in a request, and in a segment of a file")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
      ->capture_default_str();
  command->add_option("--max-body", arguments->max_body_mib, "most MiB of a request, files included")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{4096}))
      ->capture_default_str();
  command->add_option("--connections", arguments->server.connections, "connections that are answered at a time")
      ->check(CLI::Range(std::size_t{1}, std::size_t{10'000}))
      ->capture_default_str();
  add_placement(*command, arguments->placement);
  command->footer(kServeFooter);
  run_with_options(*command, {"decode"}, [arguments](const RunOptions& options, const GivenKeys& given) {
    remark_without_effect(without_effect_on_translations(options, given));
    serve(*arguments, options.decode);
  });
}

}  // namespace polymoe::cli
